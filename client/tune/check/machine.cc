// Reads, and changes nothing; the one ring it makes to see whether it may is gone at once.
#include "client/tune/check/machine.h"

#include <fmt/format.h>
#include <linux/io_uring.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <limits>

#include "client/tune/catalogue/catalogue.h"
#include "client/tune/conf/proc_sys.h"
#include "client/tune/conf/sysctl_file.h"
#include "client/tune/conf/values.h"
#include "common/net/owned_fd.h"
#include "common/net/read_file.h"
#include "common/net/sock_diag.h"
#include "common/net/tcp_counters.h"

namespace ringtune {
namespace {

constexpr size_t kProcFileBytesMax = 1 << 20;
constexpr std::string_view kUnlimited = "unlimited";

std::string limit_word(rlim_t limit) {
  return limit == RLIM_INFINITY ? std::string(kUnlimited) : std::to_string(limit);
}

net::Result<std::string> process_limit(const std::string& name) {
  rlimit limit{};
  const int which = name == "RLIMIT_NOFILE" ? RLIMIT_NOFILE : RLIMIT_MEMLOCK;
  if (::getrlimit(static_cast<__rlimit_resource_t>(which), &limit) < 0) {
    return net::fail("getrlimit " + name, errno);
  }
  return limit_word(limit.rlim_cur) + ' ' + limit_word(limit.rlim_max);
}

int try_a_ring() {
  io_uring_params params{};
  const net::OwnedFd ring(static_cast<int>(::syscall(SYS_io_uring_setup, 1, &params)));
  return ring.valid() ? 0 : errno;
}

// A file that not every kernel or container shows: nothing if it is not there.
std::optional<std::string> text_of(const std::string& path) {
  const auto text = net::read_file(path, kProcFileBytesMax);
  return text ? std::optional(*text) : std::nullopt;
}

// Root of a container's user namespace is nobody where the host's limits are concerned.
bool is_root_of_the_host() {
  if (::geteuid() != 0) return false;
  const auto map = text_of("/proc/self/uid_map");
  return map && tidy_value(*map) == "0 0 4294967295";
}

// Where a sandbox forbids netlink, there are none to be seen.
void read_listeners(Machine& machine) {
  auto diag = net::SockDiag::open();
  if (!diag) return;
  const auto add = [&machine](const net::SeenSocket& socket) {
    machine.listeners.push_back({socket.local.text(), socket.local.port, socket.backlog});
  };
  const net::SocketFilter filter{
      .states = net::mask_of(net::TcpState::listen), .locals = {}, .remotes = {}};
  for (const int family : {AF_INET, AF_INET6}) (void)(*diag)->dump(family, filter, add);
}

void read_witnesses(Machine& machine) {
  if (auto reader = net::TcpCounterReader::open()) {
    if (const auto counters = (*reader)->read()) {
      machine.listen_overflows = counters->listen_overflows;
      machine.time_wait_overflows = counters->time_wait_overflow;
    }
  }
  if (const auto text = text_of("/proc/net/softnet_stat")) {
    if (const auto sums = sum_softnet(*text)) {
      machine.backlog_drops = sums->dropped;
      machine.budget_squeezes = sums->squeezed;
    }
  }
  if (const auto text = text_of("/proc/sys/net/netfilter/nf_conntrack_count")) {
    if (const auto count = first_number(*text); count && *count >= 0) {
      machine.conntrack_entries = static_cast<uint64_t>(*count);
    }
  }
  if (const auto text = text_of("/proc/sys/fs/file-nr")) {
    if (const auto count = first_number(*text); count && *count >= 0) {
      machine.open_files = static_cast<uint64_t>(*count);
    }
  }
}

}  // namespace

std::string_view Machine::value(std::string_view name) const {
  const auto found = values.find(name);
  return found == values.end() ? std::string_view() : std::string_view(found->second);
}

std::optional<int64_t> Machine::number(std::string_view name) const {
  return first_number(value(name));
}

std::optional<int64_t> Machine::last_number_of(std::string_view name) const {
  return last_number(value(name));
}

net::Result<Machine> look_at_machine() {
  const auto proc_sys = ProcSys::open();
  if (!proc_sys) return tl::unexpected(proc_sys.error());
  Machine machine;
  utsname names{};
  if (::uname(&names) < 0) return net::fail("uname", errno);
  machine.kernel = names.release;
  machine.version = version_of(machine.kernel);
  for (const Parameter& parameter : catalogue()) {
    net::Result<std::string> text;
    if (parameter.scope == Scope::process) {
      text = process_limit(parameter.name);
    } else {
      const auto path = path_of_parameter(parameter.name);
      if (!path) return tl::unexpected(path.error());
      text = proc_sys->read(*path);
    }
    if (text) {
      machine.values[parameter.name] = tidy_value(*text);
    } else if (text.error().errno_value != ENOENT) {
      machine.unreadable[parameter.name] = text.error().message();
    }
  }
  machine.page_bytes = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  machine.memory_bytes = static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) * machine.page_bytes;
  machine.privileged = is_root_of_the_host();
  machine.ring_errno = try_a_ring();
  read_witnesses(machine);
  read_listeners(machine);
  return machine;
}

std::optional<uint64_t> limit_of(std::string_view soft_and_hard, bool hard) {
  const auto words = words_of(soft_and_hard);
  if (words.size() != 2) return std::nullopt;
  const std::string_view word = words[hard ? 1 : 0];
  if (word == kUnlimited) return std::numeric_limits<uint64_t>::max();
  const auto number = whole_number(word);
  if (!number || *number < 0) return std::nullopt;
  return static_cast<uint64_t>(*number);
}

std::optional<SoftnetSums> sum_softnet(std::string_view text) {
  SoftnetSums sums;
  bool any = false;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const auto columns = words_of(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (columns.size() < 3) continue;
    std::array<uint64_t, 3> numbers{};
    for (size_t i = 0; i < numbers.size(); ++i) {
      const std::string_view word = columns[i];
      const auto parsed = std::from_chars(word.data(), word.data() + word.size(), numbers[i], 16);
      if (parsed.ec != std::errc() || parsed.ptr != word.data() + word.size()) {
        return std::nullopt;
      }
    }
    sums.dropped += numbers[1];
    sums.squeezed += numbers[2];
    any = true;
  }
  return any ? std::optional(sums) : std::nullopt;
}

KernelVersion version_of(std::string_view release) {
  KernelVersion version;
  const char* end = release.data() + release.size();
  const auto first = std::from_chars(release.data(), end, version.major);
  if (first.ec == std::errc() && first.ptr != end && *first.ptr == '.') {
    (void)std::from_chars(first.ptr + 1, end, version.minor);
  }
  return version;
}

}  // namespace ringtune
