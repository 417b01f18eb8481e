// Clients that do what no load generator does for long: all connect at the same moment, stay and
// ask nothing, or ask and do not read. One thread, epoll(7), sockets that never block.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <fstream>

#include "client/tune/measure/workload.h"
#include "common/measure/cpu_time.h"
#include "common/net/address.h"
#include "common/net/sock_diag.h"

namespace ringtune {
namespace {

constexpr double kBusy_s = 0.05;  // how long the server is away when a burst comes
constexpr double kConnectLimit_s = 30;
constexpr int kLookEvery_ms = 20;
// What the kernel holds for slow readers is settled when it has been the same for so long.
constexpr double kSettled_s = 0.1;
constexpr int kSettledRoundTrips = 4;
constexpr double kSettleLimit_s = 30;

int64_t now_ns() { return ::measure::monotonic_ns(); }
double seconds_since(int64_t ns) { return static_cast<double>(now_ns() - ns) / 1e9; }

struct Caller {
  net::OwnedFd socket;
  int64_t begun_ns = 0;
  double connected_s = -1;  // from its connect(2); -1: not yet
  double answered_s = -1;
  bool has_asked = false;
  int error = 0;
};

enum class Until { asked, answered };

class Crowd {
 public:
  Crowd(std::string host_and_port, const char* file)
      : host_and_port_(std::move(host_and_port)),
        request_(fmt::format("GET /{} HTTP/1.1\r\nHost: {}\r\n\r\n", file, host_and_port_)) {}

  // All connect, one right after the other.
  net::Status call(unsigned count) {
    if (auto status = allow_descriptors(count); !status) return status;
    const auto to = net::Address::parse(host_and_port_);
    if (!to) return tl::unexpected(to.error());
    events_.reset(::epoll_create1(EPOLL_CLOEXEC));
    if (!events_.valid()) return net::fail("epoll_create1", errno);
    callers_.resize(count);
    for (size_t i = 0; i < count; ++i) {
      if (auto status = connect(i, *to); !status) return status;
      // What has happened meanwhile is seen when it happens, not after the last connect(2).
      if (auto status = look(0); !status) return status;
    }
    return {};
  }

  // Until all have come so far or failed; false: the time is over.
  net::Result<bool> await(Until until, double limit_s) {
    const int64_t begun_ns = now_ns();
    while (!all_have(until)) {
      const double left_s = limit_s - seconds_since(begun_ns);
      if (left_s <= 0) return false;
      if (auto status = look(left_s); !status) return tl::unexpected(status.error());
    }
    return true;
  }
  // Handles what happens, for that time.
  net::Status go_on_for(double time_s) {
    const int64_t begun_ns = now_ns();
    for (double left_s = time_s; left_s > 0; left_s = time_s - seconds_since(begun_ns)) {
      if (auto status = look(left_s); !status) return status;
    }
    return {};
  }
  // After the request a client of this crowd reads nothing more.
  void stop_reading() { reads_ = false; }

  const std::vector<Caller>& callers() const { return callers_; }

 private:
  static net::Status allow_descriptors(unsigned count) {
    constexpr rlim_t kOthers = 64;
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) return net::fail("getrlimit RLIMIT_NOFILE", errno);
    const rlim_t wanted = count + kOthers;
    if (limit.rlim_cur >= wanted) return {};
    if (limit.rlim_max < wanted) {
      return net::fail(fmt::format("{} connections", count), EMFILE,
                       fmt::format("the hard limit of open files is {}: raise it (ulimit -Hn), or "
                                   "ask for fewer --connections",
                                   limit.rlim_max));
    }
    limit.rlim_cur = wanted;
    if (::setrlimit(RLIMIT_NOFILE, &limit) < 0) return net::fail("setrlimit RLIMIT_NOFILE", errno);
    return {};
  }

  net::Status connect(size_t index, const net::Address& to) {
    Caller& caller = callers_[index];
    caller.socket.reset(::socket(to.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!caller.socket.valid()) return net::fail("socket", errno);
    caller.begun_ns = now_ns();
    if (::connect(caller.socket.get(), to.data(), to.size()) == 0) {
      caller.connected_s = seconds_since(caller.begun_ns);
    } else if (errno != EINPROGRESS) {
      caller.error = errno;
      return {};
    }
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLET;
    event.data.u64 = index;
    if (::epoll_ctl(events_.get(), EPOLL_CTL_ADD, caller.socket.get(), &event) < 0) {
      return net::fail("epoll_ctl", errno);
    }
    return {};
  }

  net::Status look(double limit_s) {
    std::array<epoll_event, 256> events{};
    const int limit_ms = static_cast<int>(std::ceil(limit_s * 1000));
    const int count = ::epoll_wait(events_.get(), events.data(), events.size(), limit_ms);
    if (count < 0 && errno != EINTR) return net::fail("epoll_wait", errno);
    for (int i = 0; i < count; ++i) {
      handle(callers_[events[static_cast<size_t>(i)].data.u64],
             events[static_cast<size_t>(i)].events);
    }
    return {};
  }

  void handle(Caller& caller, uint32_t events) {
    if (caller.error != 0) return;
    if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0 && !caller.has_asked) {
      socklen_t size = sizeof caller.error;
      if (::getsockopt(caller.socket.get(), SOL_SOCKET, SO_ERROR, &caller.error, &size) < 0) {
        caller.error = errno;
      }
      if (caller.error != 0) return;
      if (caller.connected_s < 0) caller.connected_s = seconds_since(caller.begun_ns);
      ask(caller);
    }
    if ((events & (EPOLLIN | EPOLLHUP)) != 0 && reads_) read_answer(caller);
  }

  void ask(Caller& caller) {
    caller.has_asked = true;
    // A fresh socket takes a line of some bytes at once.
    if (::send(caller.socket.get(), request_.data(), request_.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request_.size())) {
      caller.error = errno;
    }
  }
  void read_answer(Caller& caller) {
    std::array<char, 4096> buffer;
    for (;;) {
      const ssize_t got = ::recv(caller.socket.get(), buffer.data(), buffer.size(), 0);
      if (got < 0 && errno == EAGAIN) return;
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) {
        caller.error = got < 0 ? errno : ECONNRESET;
        return;
      }
      if (caller.answered_s < 0) caller.answered_s = seconds_since(caller.begun_ns);
    }
  }

  bool all_have(Until until) const {
    return std::all_of(callers_.begin(), callers_.end(), [until](const Caller& caller) {
      return caller.error != 0 ||
             (until == Until::asked ? caller.has_asked : caller.answered_s >= 0);
    });
  }

  std::string host_and_port_;
  std::string request_;
  net::OwnedFd events_;
  std::vector<Caller> callers_;
  bool reads_ = true;
};

// Runs on the client's CPU while it lives; the link's thread keeps its own.
class OnClientCpu {
 public:
  explicit OnClientCpu(int cpu) {
    if (cpu < 0 || ::sched_getaffinity(0, sizeof before_, &before_) < 0) return;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<size_t>(cpu), &one);
    is_moved_ = ::sched_setaffinity(0, sizeof one, &one) == 0;
  }
  ~OnClientCpu() {
    if (is_moved_) ::sched_setaffinity(0, sizeof before_, &before_);
  }
  OnClientCpu(const OnClientCpu&) = delete;
  OnClientCpu& operator=(const OnClientCpu&) = delete;

 private:
  cpu_set_t before_{};
  bool is_moved_ = false;
};

// Who has not come so far counts with the limit: it took that long at least.
double p99_ms(const std::vector<Caller>& callers, double Caller::*time_s, double limit_s) {
  std::vector<double> times;
  for (const Caller& caller : callers) {
    times.push_back(caller.*time_s < 0 ? limit_s : caller.*time_s);
  }
  std::sort(times.begin(), times.end());
  const size_t rank = (times.size() * 99 + 99) / 100;
  return std::max(times[std::max<size_t>(rank, 1) - 1] * 1000, 1e-6);
}

CounterValues troubles_of(const std::vector<Caller>& callers) {
  CounterValues troubles;
  for (const Caller& caller : callers) {
    if (caller.error != 0) ++troubles["connect " + net::errno_name(caller.error)];
    if (caller.error == 0 && caller.connected_s < 0) ++troubles["not connected in time"];
    if (caller.error == 0 && caller.connected_s >= 0 && caller.answered_s < 0) {
      ++troubles["connected, not answered in time"];
    }
  }
  return troubles;
}

net::Status check_no_error(const Crowd& crowd, const Stage& stage) {
  for (const Caller& caller : crowd.callers()) {
    if (caller.error != 0) {
      return net::fail(fmt::format("a client of {}", stage.host_and_port), caller.error,
                       "ask for fewer --connections");
    }
  }
  return {};
}

net::Result<double> resident_bytes(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/statm", pid));
  double all = 0;
  double resident = 0;
  if (!(file >> all >> resident)) {
    return net::fail(fmt::format("read /proc/{}/statm", pid), EIO, "did the server end?");
  }
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

struct HeldMemory {
  double server = 0;
  double client = 0;
  bool operator==(const HeldMemory&) const = default;
};

// Of the connections' sockets at each end.
net::Result<HeldMemory> held_memory(Stage& stage) {
  const auto address = net::Address::parse(stage.host_and_port);
  if (!address) return tl::unexpected(address.error());
  const net::Endpoint server = net::Endpoint::of(*address);
  HeldMemory held;
  for (const bool is_server : {true, false}) {
    auto scope = is_server ? stage.arena.on_server_side() : stage.arena.on_client_side();
    if (!scope) return tl::unexpected(scope.error());
    auto diag = net::SockDiag::open();
    if (!diag) return tl::unexpected(diag.error());
    net::SocketFilter filter;
    (is_server ? filter.locals : filter.remotes) = {server};
    filter.with_memory = true;
    const auto status = (*diag)->dump(AF_INET, filter, [&](const net::SeenSocket& socket) {
      if (!socket.memory || socket.state == net::TcpState::listen) return;
      (is_server ? held.server : held.client) +=
          double{1} * socket.memory->received + socket.memory->queued + socket.memory->in_reserve;
    });
    if (!status) return tl::unexpected(status.error());
  }
  return held;
}

}  // namespace

net::Result<Sample> run_burst(Stage& stage) {
  auto scope = stage.arena.on_client_side();
  if (!scope) return tl::unexpected(scope.error());
  const OnClientCpu pinned(stage.bench.client_cpu);
  if (auto status = stage.server.freeze(); !status) return tl::unexpected(status.error());
  Crowd crowd(stage.host_and_port, kSmallFile);
  const int64_t begun_ns = now_ns();
  const net::Status called = crowd.call(connections_of(stage.bench, "burst"));
  const net::Status went_on = crowd.go_on_for(kBusy_s - seconds_since(begun_ns));
  if (auto status = stage.server.thaw(); !status) return tl::unexpected(status.error());
  for (const net::Status& status : {called, went_on}) {
    if (!status) return tl::unexpected(status.error());
  }
  const auto done = crowd.await(Until::answered, stage.bench.seconds);
  if (!done) return tl::unexpected(done.error());
  const double limit_s = seconds_since(begun_ns);
  return Sample{{p99_ms(crowd.callers(), &Caller::connected_s, limit_s),
                 p99_ms(crowd.callers(), &Caller::answered_s, limit_s)},
                troubles_of(crowd.callers())};
}

net::Result<Sample> run_idle(Stage& stage) {
  auto scope = stage.arena.on_client_side();
  if (!scope) return tl::unexpected(scope.error());
  const OnClientCpu pinned(stage.bench.client_cpu);
  Crowd first(stage.host_and_port, kSmallFile);  // what the server needs for anybody
  if (auto status = first.call(1); !status) return tl::unexpected(status.error());
  if (auto one = first.await(Until::answered, kConnectLimit_s); !one) {
    return tl::unexpected(one.error());
  }
  const auto before = resident_bytes(stage.server.pid());
  if (!before) return tl::unexpected(before.error());
  Crowd crowd(stage.host_and_port, kSmallFile);
  const unsigned count = connections_of(stage.bench, "idle");
  if (auto status = crowd.call(count); !status) return tl::unexpected(status.error());
  const auto done = crowd.await(Until::answered, kConnectLimit_s);
  if (!done) return tl::unexpected(done.error());
  if (!*done) return net::fail("idle connections: not all were answered", ETIMEDOUT);
  if (auto status = check_no_error(crowd, stage); !status) return tl::unexpected(status.error());
  const auto after = resident_bytes(stage.server.pid());
  if (!after) return tl::unexpected(after.error());
  const auto held = held_memory(stage);
  if (!held) return tl::unexpected(held.error());
  return Sample{{std::max((*after - *before + held->server) / count, 1.0)},
                troubles_of(crowd.callers())};
}

net::Result<Sample> run_slow(Stage& stage) {
  auto scope = stage.arena.on_client_side();
  if (!scope) return tl::unexpected(scope.error());
  const OnClientCpu pinned(stage.bench.client_cpu);
  Crowd crowd(stage.host_and_port, kLargeFile);
  crowd.stop_reading();
  const unsigned count = connections_of(stage.bench, "slow");
  if (auto status = crowd.call(count); !status) return tl::unexpected(status.error());
  const auto done = crowd.await(Until::asked, kConnectLimit_s);
  if (!done) return tl::unexpected(done.error());
  if (!*done) return net::fail("slow readers: not all could ask", ETIMEDOUT);
  if (auto status = check_no_error(crowd, stage); !status) return tl::unexpected(status.error());
  const double round_trip_s = 2e-6 * static_cast<double>(stage.bench.arena.link.delay_us);
  const double settled_s = std::max(kSettled_s, kSettledRoundTrips * round_trip_s);
  const int64_t begun_ns = now_ns();
  int64_t same_since_ns = begun_ns;
  HeldMemory present;
  while (present.server == 0 || seconds_since(same_since_ns) < settled_s) {
    if (seconds_since(begun_ns) > kSettleLimit_s) {
      return net::fail("what slow readers hold did not settle", ETIMEDOUT);
    }
    ::poll(nullptr, 0, kLookEvery_ms);
    const auto held = held_memory(stage);
    if (!held) return tl::unexpected(held.error());
    if (*held != present) same_since_ns = now_ns();
    present = *held;
  }
  return Sample{{present.server / count, std::max(present.client / count, 1.0)}, {}};
}

}  // namespace ringtune
