// libfuse's low-level interface: a call may be answered later, by any thread. Nodes are never
// removed, so a number is always valid. What is held is answered at the latest when the disk goes.
#define FUSE_USE_VERSION 314
#include "tests/support/held_disk.h"

#include <fuse_lowlevel.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <ctime>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "tests/support/patience.h"
#include "tests/support/temp_tree.h"

namespace support {
namespace {

using Call = HeldDisk::Call;

constexpr double kForever_s = 1e6;         // the kernel need not ask again for a name or its facts
constexpr unsigned kBackgroundMax = 4096;  // reads that wait must not keep others from being sent
constexpr std::time_t kModified_s = 1'600'000'000;
using Key = std::pair<Call, std::string>;

struct Node {
  std::string path = {};  // "" is the root
  mode_t type = S_IFREG;
  std::uint64_t size = 0;
  std::string target = {};                         // of a link
  std::map<std::string, fuse_ino_t> entries = {};  // of a directory
  double facts_known_s = kForever_s;
  std::uint64_t bad_from = UINT64_MAX;
  int read_error = 0;
};

}  // namespace

struct HeldDisk::State {
  struct Waiting {
    Key key;
    std::function<void(int error)> answer;
  };

  State() { nodes.push_back({.path = "", .type = S_IFDIR}); }
  ~State();
  fuse_ino_t add(const std::string& path, Node node);
  fuse_ino_t find(const std::string& path);
  Node node(fuse_ino_t number);
  void arrive(Call call, const std::string& path, std::function<void(int error)> answer);
  void let_go(const std::function<bool(const Key&)>& which);

  TempTree mount_point;
  mutable std::mutex mutex;
  std::condition_variable changed;
  std::vector<Node> nodes;  // by number - 1
  std::set<Key> holding;
  std::map<Key, int> errors;
  std::vector<Waiting> waiting;
  std::map<Key, std::size_t> counts;
  std::map<Call, std::size_t> most;
  fuse_session* session = nullptr;
  bool mounted = false;
  std::thread thread;
};

namespace {

HeldDisk::State& state_of(fuse_req_t request) {
  return *static_cast<HeldDisk::State*>(fuse_req_userdata(request));
}

struct stat facts_of(const Node& node, fuse_ino_t number) {
  struct stat facts {};
  facts.st_ino = number;
  facts.st_mode = node.type | (node.type == S_IFDIR ? 0755 : node.type == S_IFLNK ? 0777 : 0644);
  facts.st_nlink = 1;
  facts.st_uid = ::getuid();
  facts.st_gid = ::getgid();
  facts.st_size = static_cast<off_t>(node.type == S_IFLNK ? node.target.size() : node.size);
  facts.st_mtim.tv_sec = facts.st_ctim.tv_sec = facts.st_atim.tv_sec = kModified_s;
  return facts;
}

void on_init(void*, fuse_conn_info* connection) { connection->max_background = kBackgroundMax; }

void on_lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  HeldDisk::State& state = state_of(request);
  const Node directory = state.node(parent);
  const std::string path = directory.path.empty() ? name : directory.path + "/" + name;
  const auto entry = directory.entries.find(name);
  const fuse_ino_t number = entry == directory.entries.end() ? 0 : entry->second;
  state.arrive(Call::lookup, path, [&state, request, number](int error) {
    if (error == 0 && number == 0) error = ENOENT;
    if (error != 0) {
      fuse_reply_err(request, error);
      return;
    }
    fuse_entry_param found{};
    found.ino = number;
    const Node node = state.node(number);
    found.attr = facts_of(node, number);
    found.attr_timeout = node.facts_known_s;
    found.entry_timeout = kForever_s;
    fuse_reply_entry(request, &found);
  });
}

void on_getattr(fuse_req_t request, fuse_ino_t number, fuse_file_info*) {
  HeldDisk::State& state = state_of(request);
  state.arrive(Call::getattr, state.node(number).path, [&state, request, number](int error) {
    const Node node = state.node(number);
    const struct stat facts = facts_of(node, number);
    error != 0 ? fuse_reply_err(request, error)
               : fuse_reply_attr(request, &facts, node.facts_known_s);
  });
}

void on_readlink(fuse_req_t request, fuse_ino_t number) {
  HeldDisk::State& state = state_of(request);
  const Node node = state.node(number);
  state.arrive(Call::readlink, node.path, [request, target = node.target](int error) {
    error != 0 ? fuse_reply_err(request, error) : fuse_reply_readlink(request, target.c_str());
  });
}

void on_open(fuse_req_t request, fuse_ino_t number, fuse_file_info* info) {
  HeldDisk::State& state = state_of(request);
  info->keep_cache = 1;
  state.arrive(Call::open, state.node(number).path, [request, opened = *info](int error) {
    error != 0 ? fuse_reply_err(request, error) : fuse_reply_open(request, &opened);
  });
}

void on_flush(fuse_req_t request, fuse_ino_t number, fuse_file_info*) {
  HeldDisk::State& state = state_of(request);
  state.arrive(Call::flush, state.node(number).path,
               [request](int error) { fuse_reply_err(request, error); });
}

void on_read(fuse_req_t request, fuse_ino_t number, size_t size, off_t at, fuse_file_info*) {
  HeldDisk::State& state = state_of(request);
  const Node node = state.node(number);
  state.arrive(Call::read, node.path, [=](int error) {
    const auto offset = static_cast<std::uint64_t>(at);
    const std::uint64_t left = node.size - std::min(node.size, offset);
    const std::size_t bytes = std::min<std::uint64_t>(size, left);
    if (error == 0 && offset + bytes > node.bad_from) error = node.read_error;
    if (error != 0) {
      fuse_reply_err(request, error);
      return;
    }
    const std::string body = TempTree::expected(node.path, offset, bytes);
    fuse_reply_buf(request, body.data(), body.size());
  });
}

void on_readdir(fuse_req_t request, fuse_ino_t number, size_t room, off_t at, fuse_file_info*) {
  HeldDisk::State& state = state_of(request);
  const Node node = state.node(number);
  state.arrive(Call::readdir, node.path, [&state, request, node, room, at](int error) {
    if (error != 0) {
      fuse_reply_err(request, error);
      return;
    }
    std::string bytes(room, '\0');
    std::size_t used = 0;
    off_t index = 0;
    for (const auto& [name, entry] : node.entries) {
      if (index++ < at) continue;
      const struct stat facts = facts_of(state.node(entry), entry);
      const std::size_t size =
          fuse_add_direntry(request, bytes.data() + used, room - used, name.c_str(), &facts, index);
      if (size > room - used) break;
      used += size;
    }
    fuse_reply_buf(request, bytes.data(), used);
  });
}

fuse_lowlevel_ops operations() {
  fuse_lowlevel_ops all{};
  all.init = on_init;
  all.lookup = on_lookup;
  all.getattr = on_getattr;
  all.readlink = on_readlink;
  all.open = on_open;
  all.flush = on_flush;
  all.read = on_read;
  all.readdir = on_readdir;
  return all;
}

bool write_to(const char* path, const std::string& text) {
  return (std::ofstream(path) << text << std::flush).good();
}

// Mounts made after this are seen by this process and its children alone, and go with them. Who is
// not root becomes the owner of a user namespace, in which it may mount FUSE.
int leave_the_machines_mounts() {
  const uid_t user = ::geteuid();
  const gid_t group = ::getegid();
  if (::unshare(user == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) < 0) return errno;
  if (user != 0) {
    const std::string uid = std::to_string(user), gid = std::to_string(group);
    if (!write_to("/proc/self/setgroups", "deny") ||
        !write_to("/proc/self/uid_map", uid + " " + uid + " 1") ||
        !write_to("/proc/self/gid_map", gid + " " + gid + " 1")) {
      return EPERM;
    }
  }
  return ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0 ? errno : 0;
}

}  // namespace

HeldDisk::State::~State() {
  let_go([](const Key&) { return true; });
  if (session == nullptr) return;
  fuse_session_exit(session);
  if (mounted) fuse_session_unmount(session);
  if (thread.joinable()) thread.join();
  fuse_session_destroy(session);
}

Node HeldDisk::State::node(fuse_ino_t number) {
  const std::lock_guard lock(mutex);
  return nodes.at(number - 1);
}

fuse_ino_t HeldDisk::State::find(const std::string& path) {
  const auto found =
      std::find_if(nodes.begin(), nodes.end(), [&](const Node& node) { return node.path == path; });
  if (found == nodes.end()) throw std::logic_error("no such file on the disk: " + path);
  return static_cast<fuse_ino_t>(found - nodes.begin()) + 1;
}

fuse_ino_t HeldDisk::State::add(const std::string& path, Node node) {
  const std::size_t slash = path.rfind('/');
  const std::string above = slash == std::string::npos ? "" : path.substr(0, slash);
  const bool is_there =
      std::any_of(nodes.begin(), nodes.end(), [&](const Node& one) { return one.path == above; });
  const fuse_ino_t parent = is_there ? find(above) : add(above, {.path = "", .type = S_IFDIR});
  node.path = path;
  nodes.push_back(std::move(node));
  nodes[parent - 1].entries[path.substr(slash + 1)] = nodes.size();
  return nodes.size();
}

void HeldDisk::State::arrive(Call call, const std::string& path,
                             std::function<void(int error)> answer) {
  int error = 0;
  {
    const std::lock_guard lock(mutex);
    const Key key{call, path};
    ++counts[key];
    const auto failing = errors.find(key);
    if (failing != errors.end()) error = failing->second;
    if (holding.count(key) > 0) {
      waiting.push_back({key, std::move(answer)});
      const auto now = std::count_if(waiting.begin(), waiting.end(),
                                     [&](const Waiting& one) { return one.key.first == call; });
      most[call] = std::max(most[call], static_cast<std::size_t>(now));
      answer = nullptr;
    }
    changed.notify_all();
  }
  if (answer) answer(error);
}

void HeldDisk::State::let_go(const std::function<bool(const Key&)>& which) {
  std::vector<Waiting> going;
  std::vector<int> with;
  {
    const std::lock_guard lock(mutex);
    std::erase_if(holding, which);
    const auto split = std::stable_partition(waiting.begin(), waiting.end(),
                                             [&](const Waiting& one) { return !which(one.key); });
    std::move(split, waiting.end(), std::back_inserter(going));
    waiting.erase(split, waiting.end());
    for (const Waiting& one : going) {
      const auto failing = errors.find(one.key);
      with.push_back(failing == errors.end() ? 0 : failing->second);
    }
  }
  for (std::size_t i = 0; i < going.size(); ++i) going[i].answer(with[i]);
}

std::unique_ptr<HeldDisk> HeldDisk::mount(std::string& why_not) {
  if (::access("/dev/fuse", R_OK | W_OK) < 0) {
    why_not = std::string("/dev/fuse: ") + std::strerror(errno);
    return nullptr;
  }
  if (const int error = leave_the_machines_mounts(); error != 0) {
    why_not = std::string("no mount namespace of one's own: ") + std::strerror(error);
    return nullptr;
  }
  auto state = std::make_unique<State>();
  char name[] = "held-disk";
  char* arguments[] = {name, nullptr};
  fuse_args args = FUSE_ARGS_INIT(1, arguments);
  const fuse_lowlevel_ops all = operations();
  state->session = fuse_session_new(&args, &all, sizeof all, state.get());
  state->mounted = state->session != nullptr &&
                   fuse_session_mount(state->session, state->mount_point.root().c_str()) == 0;
  if (!state->mounted) {
    why_not = "FUSE cannot be mounted here";
    return nullptr;
  }
  state->thread = std::thread([session = state->session] { fuse_session_loop(session); });
  return std::unique_ptr<HeldDisk>(new HeldDisk(std::move(state)));
}

HeldDisk::HeldDisk(std::unique_ptr<State> state) : state_(std::move(state)) {}
HeldDisk::~HeldDisk() = default;
const std::string& HeldDisk::root() const { return state_->mount_point.root(); }

void HeldDisk::fill(const std::string& path, std::uint64_t size) {
  const std::lock_guard lock(state_->mutex);
  state_->add(path, {.path = "", .size = size});
}

void HeldDisk::link(const std::string& path, const std::string& target) {
  const std::lock_guard lock(state_->mutex);
  state_->add(path, {.path = "", .type = S_IFLNK, .target = target});
}

void HeldDisk::forget_facts(const std::string& path) {
  const std::lock_guard lock(state_->mutex);
  state_->nodes[state_->find(path) - 1].facts_known_s = 0;
}

void HeldDisk::fail_reads_from(const std::string& path, std::uint64_t offset, int error) {
  const std::lock_guard lock(state_->mutex);
  Node& node = state_->nodes[state_->find(path) - 1];
  node.bad_from = offset;
  node.read_error = error;
}

void HeldDisk::fail(Call call, const std::string& path, int error) {
  const std::lock_guard lock(state_->mutex);
  state_->errors[{call, path}] = error;
}

void HeldDisk::hold(Call call, const std::string& path) {
  const std::lock_guard lock(state_->mutex);
  state_->holding.insert({call, path});
}

void HeldDisk::release(Call call, const std::string& path) {
  state_->let_go([key = Key{call, path}](const Key& one) { return one == key; });
}

void HeldDisk::release_all() {
  state_->let_go([](const Key&) { return true; });
}

bool HeldDisk::wait_until_held(Call call, const std::string& path, std::size_t count) {
  std::unique_lock lock(state_->mutex);
  return state_->changed.wait_until(lock, Deadline().at(), [&] {
    const auto now = std::count_if(state_->waiting.begin(), state_->waiting.end(),
                                   [&](const State::Waiting& one) {
                                     return one.key == Key{call, path};
                                   });
    return static_cast<std::size_t>(now) >= count;
  });
}

std::size_t HeldDisk::held(Call call) const {
  const std::lock_guard lock(state_->mutex);
  return static_cast<std::size_t>(
      std::count_if(state_->waiting.begin(), state_->waiting.end(),
                    [&](const State::Waiting& one) { return one.key.first == call; }));
}

std::size_t HeldDisk::most_held(Call call) const {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->most.find(call);
  return found == state_->most.end() ? 0 : found->second;
}

std::size_t HeldDisk::count(Call call, const std::string& path) const {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->counts.find({call, path});
  return found == state_->counts.end() ? 0 : found->second;
}

}  // namespace support
