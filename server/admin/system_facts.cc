// Reads /proc/self (proc(5)), getrusage(2), /proc/net and sock_diag. It relies on being asked by
// one thread; it must never wait for a worker, and never let a failure pass in silence.
#include "server/admin/system_facts.h"

#include <dirent.h>
#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>

namespace ringserve::admin {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;

int64_t monotonic_ns() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

// The first time only: it is asked every second.
void tell(bool& told, std::string_view what_is_missing, const net::Error& error) {
  if (!told) spdlog::warn("{} not known: {}", what_is_missing, error.message());
  told = true;
}

net::OwnedFd open_or_tell(const char* path, int flags, bool& told, std::string_view what) {
  net::OwnedFd fd(::open(path, flags | O_CLOEXEC));
  if (!fd.valid()) {
    tell(told, what, {fmt::format("open {}", path), errno, "is /proc mounted?"});
  }
  return fd;
}

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

void fill_cpu(Snapshot& snapshot) {
  rusage usage{};
  // Fails only for a bad first argument or pointer.
  if (::getrusage(RUSAGE_SELF, &usage) != 0) return;
  snapshot.cpu_user_s = seconds_of(usage.ru_utime);
  snapshot.cpu_system_s = seconds_of(usage.ru_stime);
}

}  // namespace

net::Result<uint64_t> count_descriptors(int directory_fd) {
  // A descriptor of its own, which closedir(3) closes, with a position of its own.
  const int copy = ::openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copy < 0) return net::fail("open /proc/self/fd", errno);
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::fdopendir(copy), ::closedir);
  if (directory == nullptr) {
    const int error = errno;
    const net::OwnedFd unused(copy);
    return net::fail("read /proc/self/fd", error);
  }
  uint64_t names = 0;
  while (const dirent* entry = ::readdir(directory.get())) {
    if (entry->d_name[0] != '.') ++names;
  }
  return names - 1;  // one is the descriptor of this look
}

SystemFacts::SystemFacts(const std::vector<net::Address>& listening) {
  for (const net::Address& address : listening) {
    if (address.is_unix()) continue;
    (address.family() == AF_INET ? ports_v4_ : ports_v6_).push_back(net::Endpoint::of(address));
  }
  statm_ = open_or_tell("/proc/self/statm", O_RDONLY, memory_told_, "resident memory");
  descriptors_ = open_or_tell("/proc/self/fd", O_RDONLY | O_DIRECTORY, descriptors_told_,
                              "number of open descriptors");
  if (!ports_v4_.empty() || !ports_v6_.empty()) {
    auto sock_diag = net::SockDiag::open();
    if (sock_diag) sock_diag_ = std::move(*sock_diag);
    if (!sock_diag) tell(dump_told_, "sockets in TIME_WAIT", sock_diag.error());
  }
  auto counters = net::TcpCounterReader::open();
  if (counters) counters_ = std::move(*counters);
  if (!counters) tell(counters_told_, "losses of listeners", counters.error());
}

void SystemFacts::fill(Snapshot& snapshot) {
  fill_cpu(snapshot);
  fill_memory(snapshot);
  fill_descriptors(snapshot);
  fill_listeners(snapshot);
  look_at_time_wait();
  snapshot.time_wait_ours = time_wait_;
}

// "size resident shared ...", in pages.
void SystemFacts::fill_memory(Snapshot& snapshot) {
  if (!statm_.valid()) return;
  char text[128];
  const ssize_t got = ::pread(statm_.get(), text, sizeof text, 0);
  if (got <= 0) return tell(memory_told_, "resident memory", {"read /proc/self/statm", errno, ""});
  const char* end = text + got;
  const char* at = std::find<const char*>(text, end, ' ');
  uint64_t pages = 0;
  if (at != end) std::from_chars(at + 1, end, pages);
  snapshot.rss_bytes = pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

// Since Linux 6.2 the size of the directory is the number of its names (proc_fd_getattr(),
// fs/proc/fd.c); before, it is 0 and they have to be counted.
void SystemFacts::fill_descriptors(Snapshot& snapshot) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) snapshot.descriptors_max = limit.rlim_cur;
  if (!descriptors_.valid()) return;
  struct stat facts {};
  if (::fstat(descriptors_.get(), &facts) == 0 && facts.st_size > 0) {
    snapshot.descriptors_open = static_cast<uint64_t>(facts.st_size);
    return;
  }
  const int64_t now_ns = monotonic_ns();
  if (now_ns >= next_count_ns_) {
    next_count_ns_ = now_ns + kCountInterval_ms * kNsPerMs;
    const auto counted = count_descriptors(descriptors_.get());
    if (counted) counted_ = *counted;
    if (!counted) tell(descriptors_told_, "number of open descriptors", counted.error());
  }
  snapshot.descriptors_open = counted_;
}

void SystemFacts::fill_listeners(Snapshot& snapshot) {
  if (!counters_) return;
  const auto counters = counters_->read();
  if (!counters) return tell(counters_told_, "losses of listeners", counters.error());
  snapshot.listen_overflows = static_cast<int64_t>(counters->listen_overflows);
  snapshot.listen_drops = static_cast<int64_t>(counters->listen_drops);
}

void SystemFacts::look_at_time_wait() {
  const int64_t begin_ns = monotonic_ns();
  if (!sock_diag_ || begin_ns < next_dump_ns_) return;
  const auto counted = count_time_wait();
  const int64_t end_ns = monotonic_ns();
  next_dump_ns_ =
      end_ns + std::max(kDumpInterval_ms * kNsPerMs, (end_ns - begin_ns) * kDumpPauseFactor);
  if (counted) {
    time_wait_ = *counted;
    return;
  }
  // The kernel says that the table changed during the dump: the number of a second ago is nearer.
  if (counted.error().errno_value == EINTR) return;
  time_wait_ = -1;
  tell(dump_told_, "sockets in TIME_WAIT", counted.error());
}

net::Result<int64_t> SystemFacts::count_time_wait() {
  int64_t count = 0;
  const auto add_family = [&](int family, const std::vector<net::Endpoint>& ends) -> net::Status {
    if (ends.empty()) return {};
    net::SocketFilter filter;
    filter.states = net::mask_of(net::TcpState::time_wait);
    // The kernel filters by whole addresses. A connection to a listener on all addresses has one of
    // them, so there the port is compared here.
    const bool any_address =
        std::any_of(ends.begin(), ends.end(), [](const auto& end) { return end.is_wildcard(); });
    if (!any_address) filter.locals = ends;
    return sock_diag_->dump(family, filter, [&](const net::SeenSocket& socket) {
      if (socket.state != net::TcpState::time_wait) return;  // an orphan in FIN_WAIT2
      const bool ours = std::any_of(ends.begin(), ends.end(), [&](const net::Endpoint& end) {
        return end.port == socket.local.port && (end.is_wildcard() || end.ip == socket.local.ip);
      });
      if (ours) ++count;
    });
  };
  if (auto status = add_family(AF_INET, ports_v4_); !status) {
    return tl::unexpected(status.error());
  }
  if (auto status = add_family(AF_INET6, ports_v6_); !status) {
    return tl::unexpected(status.error());
  }
  return count;
}

}  // namespace ringserve::admin
