// The mailbox, the thread behind it, and the making of one listing. Nothing of a worker is touched
// but through `done`; what is not under the mutex belongs to the thread.
#include "server/listing/lister.h"

#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <ctime>
#include <deque>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#include "common/check.h"
#include "server/listing/directory.h"
#include "server/listing/listing_html.h"
#include "server/listing/listing_json.h"
#include "server/listing/memory_file.h"
#include "server/listing/shelf.h"

namespace ringserve::listing {
namespace {

using Done = std::function<void(Listing)>;

// Disjoint from the numbers of files::Site, which counts from 1.
constexpr uint64_t kOpeningsFrom = uint64_t{1} << 63;

// Wishes for one and the same listing.
struct Task {
  std::string key;
  Wanted wanted;
  net::OwnedFd directory;
  std::vector<Done> waiting;
};

// Paths and roots have no NUL.
std::string key_of(const Wanted& wanted) {
  const char flags[] = {static_cast<char>('0' + static_cast<int>(wanted.format)),
                        wanted.hidden ? 'h' : '-',
                        static_cast<char>('0' + static_cast<int>(wanted.follow_symlinks)), '\0'};
  return flags + std::string(1, '\0') + wanted.site + std::string(1, '\0') + wanted.path;
}

int64_t now_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
}

}  // namespace

struct Lister::State {
  explicit State(Describe describe_listing) : describe(std::move(describe_listing)) {}

  void run();
  void wait_for_work(std::unique_lock<std::mutex>& lock);
  void cancel_waiting();
  Listing answer(Task& task);
  Listing make(Task& task);
  int write(const Task& task, Contents contents, MemoryFile& memory);
  void take_in(Task task);

  const Describe describe;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Task> tasks;            // under the mutex
  size_t waiting = 0;                // under the mutex: all wishes in `tasks`
  std::atomic<bool> ending = false;  // written under the mutex

  Shelf shelf{{kKeptMs, kKeptBytesMax, kInUseBytesMax, kKeptMax}};
  uint64_t openings = kOpeningsFrom;
  std::thread thread;
};

net::Result<std::unique_ptr<Lister>> Lister::start(Describe describe) {
  CHECK(describe);
  auto state = std::make_unique<State>(std::move(describe));
  try {
    state->thread = std::thread([&own = *state] { own.run(); });
  } catch (const std::system_error& error) {
    return net::fail("start the thread that lists directories", error.code().value(),
                     "raise the limit of threads (ulimit -u, pids.max of the cgroup), or serve "
                     "without --autoindex");
  }
  return std::unique_ptr<Lister>(new Lister(std::move(state)));
}

Lister::Lister(std::unique_ptr<State> state) : state_(std::move(state)) {}

Lister::~Lister() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->ending = true;
  }
  state_->changed.notify_one();
  state_->thread.join();
}

void Lister::list(Wanted wanted, net::OwnedFd directory, Done done) {
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->waiting < kWaitingMax) {
      Task task{key_of(wanted), std::move(wanted), std::move(directory), {}};
      task.waiting.push_back(std::move(done));
      state_->take_in(std::move(task));
      return;
    }
  }
  done({nullptr, EBUSY});
}

// Under the mutex. A wish that waits already is joined, and its descriptors are not needed.
void Lister::State::take_in(Task task) {
  ++waiting;
  const auto same = std::find_if(tasks.begin(), tasks.end(),
                                 [&task](const Task& other) { return other.key == task.key; });
  if (same != tasks.end()) {
    same->waiting.push_back(std::move(task.waiting.front()));
    return;
  }
  tasks.push_back(std::move(task));
  changed.notify_one();
}

void Lister::State::run() {
  std::unique_lock lock(mutex);
  while (!ending) {
    if (tasks.empty()) {
      wait_for_work(lock);
      continue;
    }
    Task task = std::move(tasks.front());
    tasks.pop_front();
    waiting -= task.waiting.size();
    lock.unlock();
    const Listing listing = answer(task);
    for (const Done& done : task.waiting) done(listing);
    lock.lock();
  }
  lock.unlock();
  cancel_waiting();
}

// While anything is on the shelf the thread wakes up now and then to see whether it can go.
void Lister::State::wait_for_work(std::unique_lock<std::mutex>& lock) {
  const auto has_work = [this] { return ending || !tasks.empty(); };
  if (shelf.is_empty()) {
    changed.wait(lock, has_work);
    return;
  }
  if (changed.wait_for(lock, std::chrono::milliseconds(kKeptMs), has_work)) return;
  lock.unlock();  // freeing takes its time
  shelf.tidy(now_ms());
  lock.lock();
}

void Lister::State::cancel_waiting() {
  std::deque<Task> left;
  {
    const std::lock_guard lock(mutex);
    left.swap(tasks);
    waiting = 0;
  }
  for (const Task& task : left) {
    for (const Done& done : task.waiting) done({nullptr, ECANCELED});
  }
}

Listing Lister::State::answer(Task& task) {
  shelf.tidy(now_ms());
  if (files::FileRef kept = shelf.find(task.key, now_ms())) return {std::move(kept), 0};
  if (shelf.is_full()) return {nullptr, EBUSY};
  try {
    return make(task);
  } catch (const std::bad_alloc&) {
    return {nullptr, ENOMEM};
  }
}

Listing Lister::State::make(Task& task) {
  const Wanted& wanted = task.wanted;
  const Choice choice{wanted.hidden, wanted.follow_symlinks, wanted.root.get(), kNamesMax};
  Directory directory;
  if (const int error = read_directory(task.directory.get(), choice, ending, directory);
      error != 0) {
    return {nullptr, error};
  }
  task.directory.reset();
  task.wanted.root.reset();
  MemoryFile memory;
  if (const int error = write(task, std::move(directory.contents), memory); error != 0) {
    return {nullptr, error};
  }

  auto file = std::make_shared<files::File>();
  file->opening = ++openings;
  file->name = wanted.path;
  file->size_bytes = memory.size_bytes();
  file->mtime_s = directory.changed_at_s;
  file->has_useful_mtime = directory.announces_changes && directory.changed_at_s > 0 &&
                           directory.changed_at_s <= ::time(nullptr);
  file->etag = memory.etag();
  file->fd = files::FileFd(memory.take_fd());
  struct stat facts {};
  if (::fstat(file->fd.get(), &facts) < 0) return {nullptr, errno};
  file->identity = files::Identity::of(facts);
  file->description = describe(*file, wanted.format);
  return {shelf.put(task.key, std::move(file), now_ms()), 0};
}

int Lister::State::write(const Task& task, Contents contents, MemoryFile& memory) {
  contents.path = task.wanted.path;
  int error = memory.create("ringserve-listing");
  if (error != 0) return error;
  const Sink sink = [&](std::string_view piece) {
    error = ending ? ECANCELED : memory.append(piece);
    return error == 0;
  };
  switch (task.wanted.format) {
    case Format::html: write_html(contents, sink); break;
    case Format::json: write_json(contents, sink); break;
  }
  return error != 0 ? error : memory.seal();
}

}  // namespace ringserve::listing
