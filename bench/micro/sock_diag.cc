// Counting the sockets of a network namespace by state: netlink (common/net/sock_diag.h) against
// reading /proc/net/tcp, with nothing there, and with 28,000 and 100,000 sockets in TIME_WAIT. The
// sockets live in network namespaces of their own; both ways must count all of them.
#include "common/net/sock_diag.h"

#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <charconv>
#include <cstring>
#include <memory>
#include <string_view>

#include "bench/micro/machine.h"
#include "common/measure/cpu_time.h"
#include "common/net/networks.h"
#include "common/net/sysctl.h"

namespace micro {
namespace {

using StateCounts = std::array<uint64_t, 16>;  // by net::TcpState

uint64_t time_wait(const StateCounts& counts) {
  return counts[static_cast<size_t>(net::TcpState::time_wait)];
}

// --- sockets in TIME_WAIT ---

constexpr uint64_t kBySourceMax = 25'000;  // of a range of more than twice as many ports
// TIME_WAIT lasts 60 s (TCP_TIMEWAIT_LEN, include/net/tcp.h): a population is made anew well
// before.
constexpr int64_t kFreshNs = 40'000'000'000;

net::Status close_in_turn(net::OwnedFd& first, net::OwnedFd& second) {
  char byte = 0;
  if (::shutdown(first.get(), SHUT_WR) < 0) return net::fail("shutdown", errno);
  if (::recv(second.get(), &byte, 1, 0) != 0) return net::fail("await the client's FIN", errno);
  second.reset();
  if (::recv(first.get(), &byte, 1, 0) != 0) return net::fail("await the server's FIN", errno);
  first.reset();
  return {};
}

// One connection that its client closes first, so that the client's socket stays in TIME_WAIT.
net::Status leave_one(const net::OwnedFd& listener, const net::Address& server,
                      const net::Address& source) {
  net::OwnedFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  if (::setsockopt(client.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) < 0 ||
      ::bind(client.get(), source.data(), source.size()) < 0) {
    return net::fail("bind " + source.text(), errno);
  }
  if (::connect(client.get(), server.data(), server.size()) < 0) {
    return net::fail(fmt::format("connect from {} to {}", source.text(), server.text()), errno);
  }
  net::OwnedFd accepted(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!accepted.valid()) return net::fail("accept", errno);
  return close_in_turn(client, accepted);
}

// Of the calling thread's network namespace. Ports are not used again while they are in TIME_WAIT:
// over loopback the kernel would otherwise do so after a second (tcp_tw_reuse).
net::Status prepare_network() {
  const std::array<std::array<const char*, 2>, 3> settings = {
      {{"net.ipv4.ip_local_port_range", "1024 65000"},
       {"net.ipv4.tcp_tw_reuse", "0"},
       {"net.ipv4.tcp_max_tw_buckets", "262144"}}};
  for (const auto& [name, value] : settings) {
    if (auto status = net::write_sysctl(name, value); !status) return status;
  }
  return {};
}

net::Status leave_time_waits(uint64_t wanted) {
  if (auto status = prepare_network(); !status) return status;
  const auto server = net::Address::parse("127.0.0.1:1000");
  if (!server) return tl::unexpected(server.error());
  const net::OwnedFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::bind(listener.get(), server->data(), server->size()) < 0 ||
      ::listen(listener.get(), 16) < 0) {
    return net::fail("listen on " + server->text(), errno);
  }
  for (uint64_t made = 0; made < wanted; ++made) {
    const auto source =
        net::Address::parse_host(fmt::format("127.0.0.{}", 2 + made / kBySourceMax));
    if (!source) return tl::unexpected(source.error());
    if (auto status = leave_one(listener, *server, *source); !status) return status;
  }
  return {};
}

struct Population {
  net::OwnedFd network;
  uint64_t sockets = 0;
  int64_t made_at_ns = 0;
};

// The network with so many sockets in TIME_WAIT; kept for the benchmarks that follow, until one
// wants another number. One at a time: all namespaces share one hash table of sockets (unless
// net.ipv4.tcp_child_ehash_entries is set), and whoever counts walks over the others' too.
net::Result<const Population*> population(uint64_t sockets) {
  static Population kept;
  const bool fresh = sockets == 0 || measure::monotonic_ns() - kept.made_at_ns < kFreshNs;
  if (kept.network.valid() && kept.sockets == sockets && fresh) return &kept;
  kept.network.reset();
  auto network = net::make_network();
  if (!network) return tl::unexpected(network.error());
  auto scope = net::NetworkScope::enter(*network);
  if (!scope) return tl::unexpected(scope.error());
  const int64_t began_ns = measure::monotonic_ns();
  if (auto status = leave_time_waits(sockets); !status) return tl::unexpected(status.error());
  kept = {std::move(*network), sockets, began_ns};
  return &kept;
}

// --- counting ---

class Counter {
 public:
  virtual ~Counter() = default;
  virtual net::Result<StateCounts> count() = 0;
};

class NetlinkCounter final : public Counter {
 public:
  static net::Result<std::unique_ptr<Counter>> create(uint32_t states) {
    auto diag = net::SockDiag::open();
    if (!diag) return tl::unexpected(diag.error());
    return std::unique_ptr<Counter>(new NetlinkCounter(std::move(*diag), states));
  }

  net::Result<StateCounts> count() override {
    StateCounts counts{};
    const auto add = [&](const net::SeenSocket& socket) {
      ++counts[static_cast<size_t>(socket.state)];
    };
    for (const int family : {AF_INET, AF_INET6}) {
      if (auto status = diag_->dump(family, filter_, add); !status) {
        return tl::unexpected(status.error());
      }
    }
    return counts;
  }

 private:
  NetlinkCounter(std::unique_ptr<net::SockDiag> diag, uint32_t states) : diag_(std::move(diag)) {
    filter_.states = states;
  }

  std::unique_ptr<net::SockDiag> diag_;
  net::SocketFilter filter_;
};

// As plain as such a reader can be: large reads, no streams, only the column of the state.
class ProcCounter final : public Counter {
 public:
  static net::Result<std::unique_ptr<Counter>> create() { return std::make_unique<ProcCounter>(); }

  net::Result<StateCounts> count() override {
    StateCounts counts{};
    constexpr size_t kIpv4Digits = 8, kIpv6Digits = 32;
    auto status = read_table("/proc/thread-self/net/tcp", kIpv4Digits, counts);
    if (status) status = read_table("/proc/thread-self/net/tcp6", kIpv6Digits, counts);
    if (!status) return tl::unexpected(status.error());
    return counts;
  }

 private:
  net::Status read_table(const char* path, size_t address_digits, StateCounts& counts) {
    const net::OwnedFd file(::open(path, O_RDONLY | O_CLOEXEC));
    if (!file.valid()) return net::fail(fmt::format("open {}", path), errno);
    size_t kept = 0;
    for (;;) {
      const ssize_t got = ::read(file.get(), buffer_.data() + kept, buffer_.size() - kept);
      if (got < 0) return net::fail(fmt::format("read {}", path), errno);
      if (got == 0) return {};
      std::string_view text(buffer_.data(), kept + static_cast<size_t>(got));
      for (size_t end = 0; (end = text.find('\n')) != text.npos; text.remove_prefix(end + 1)) {
        add_line(text.substr(0, end), address_digits, counts);
      }
      kept = text.size();
      std::memmove(buffer_.data(), text.data(), kept);
    }
  }

  // "   0: 0100007F:1F90 00000000:0000 0A ...": two addresses, each with its port and a blank, then
  // the state. The heading has no colon.
  static void add_line(std::string_view line, size_t address_digits, StateCounts& counts) {
    const size_t colon = line.find(':');
    constexpr size_t kPortAndBlank = std::string_view(":1F90 ").size();
    const size_t at = colon + 2 + 2 * (address_digits + kPortAndBlank);
    if (colon == line.npos || at + 2 > line.size()) return;
    uint8_t state = 0;
    std::from_chars(line.data() + at, line.data() + at + 2, state, 16);
    if (state < counts.size()) ++counts[state];
  }

  std::array<char, 64 * 1024> buffer_;
};

net::Status count_again_and_again(benchmark::State& state, Counter& counter, uint64_t sockets) {
  while (state.KeepRunning()) {
    const auto counts = counter.count();
    if (!counts) return tl::unexpected(counts.error());
    if (time_wait(*counts) != sockets) {
      return net::fail(
          fmt::format("{} sockets are in TIME_WAIT, {} counted", sockets, time_wait(*counts)), 0);
    }
  }
  return {};
}

struct Way {
  const char* name;
  net::Result<std::unique_ptr<Counter>> (*make)();
};
constexpr std::array<Way, 3> kWays = {{
    {"netlink/states:all", [] { return NetlinkCounter::create(net::kAllStates); }},
    {"netlink/states:time_wait",
     [] { return NetlinkCounter::create(net::mask_of(net::TcpState::time_wait)); }},
    {"proc/states:all", ProcCounter::create},
}};

void count_sockets(benchmark::State& state, const Way& way, uint64_t sockets) {
  const auto present = population(sockets);
  if (!present) return skip(state, present.error());
  auto scope = net::NetworkScope::enter((*present)->network);
  if (!scope) return skip(state, scope.error());
  auto counter = way.make();
  if (!counter) return skip(state, counter.error());
  const auto status = count_again_and_again(state, **counter, sockets);
  if (!status) skip(state, status.error());
}

// All ways for one population before the next is made.
bool register_all() {
  for (const uint64_t sockets : {0, 28'000, 100'000}) {
    for (const Way& way : kWays) {
      const std::string name = fmt::format("sock_diag/time_wait:{}/by:{}", sockets, way.name);
      benchmark::RegisterBenchmark(name.c_str(), [way, sockets](benchmark::State& state) {
        count_sockets(state, way, sockets);
      })->Unit(benchmark::kMicrosecond);
    }
  }
  return true;
}

[[maybe_unused]] const bool kRegistered = register_all();

}  // namespace
}  // namespace micro
