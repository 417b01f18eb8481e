// Accepting: multishot or one-shot, one ring or two, two rings on one listener or on one each
// (SO_REUSEPORT). The client connects and resets at once (SO_LINGER 0), so that no TIME_WAIT is
// left and its ports never run out; all of it happens in a network namespace of its own.
// The kernel's work for the handshake falls to the client's CPU here: over loopback the segments of
// both sides are processed by whoever sends. What is left to the acceptor is what differs.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "bench/micro/machine.h"
#include "common/net/listener.h"
#include "common/net/networks.h"
#include "common/net/ring.h"

namespace micro {
namespace {

// Connections that were made and are not accepted yet: far fewer than any accept queue holds, for a
// full one drops the SYN and the client waits a second.
constexpr uint64_t kWaitingMax = 64;

struct Strategy {
  bool multishot;
  unsigned rings;
  bool shared;  // one listener for all rings

  std::string name() const {
    const char* listener = rings == 1 ? "one" : shared ? "shared" : "reuseport";
    return fmt::format("accept/mode:{}/rings:{}/listener:{}", multishot ? "multishot" : "oneshot",
                       rings, listener);
  }
};

// One thread with a ring that accepts and closes, until its listener is shut down.
class Acceptor {
 public:
  Acceptor(int listener, bool multishot)
      : listener_(listener), multishot_(multishot), thread_([this] { run(); }) {}
  ~Acceptor() { join(); }
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  void join() {
    if (thread_.joinable()) thread_.join();
  }
  uint64_t accepted() const { return accepted_.load(std::memory_order_acquire); }
  bool ready() const { return ready_.load(); }
  int64_t cpu_ns() { return cpu_of_ns(thread_); }
  const net::Status& status() const { return status_; }  // after join()

 private:
  void run() {
    pin_this_thread(cpus().far);
    auto ring = net::Ring::open({});
    if (!ring) status_ = tl::unexpected(ring.error());
    ready_.store(true);
    if (!ring) return;
    arm(**ring);
    while (!ended_) {
      (*ring)->submit_and_wait(std::chrono::nanoseconds(-1));
      (*ring)->for_each_completion([&](const io_uring_cqe& cqe) { on_accepted(**ring, cqe); });
    }
  }

  void arm(net::Ring& ring) const {
    io_uring_sqe* sqe = ring.next_entry();
    if (multishot_) {
      io_uring_prep_multishot_accept(sqe, listener_, nullptr, nullptr, SOCK_CLOEXEC);
    } else {
      io_uring_prep_accept(sqe, listener_, nullptr, nullptr, SOCK_CLOEXEC);
    }
  }

  void on_accepted(net::Ring& ring, const io_uring_cqe& cqe) {
    if (cqe.res >= 0) {
      net::OwnedFd(cqe.res).reset();
      accepted_.fetch_add(1, std::memory_order_release);
    } else if (cqe.res == -EINVAL) {  // accept(2): it does not listen any more
      ended_ = true;
      return;
    } else if (cqe.res != -ECONNABORTED && cqe.res != -EINTR) {
      status_ = net::fail("accept", -cqe.res);
      ended_ = true;
      return;
    }
    if ((cqe.flags & IORING_CQE_F_MORE) == 0) arm(ring);
  }

  const int listener_;
  const bool multishot_;
  bool ended_ = false;
  net::Status status_;
  std::atomic<bool> ready_ = false;
  std::atomic<uint64_t> accepted_ = 0;
  std::thread thread_;  // the last: it uses all of the others
};

// The listeners and the acceptors of one strategy.
class Server {
 public:
  static net::Result<std::unique_ptr<Server>> start(const Strategy& strategy) {
    const auto address = net::Address::parse("127.0.0.1:0");
    if (!address) return tl::unexpected(address.error());
    auto group = net::listen_on(*address, strategy.shared ? 1 : strategy.rings);
    if (!group) return tl::unexpected(group.error());
    std::unique_ptr<Server> server(new Server(std::move(*group)));
    for (unsigned i = 0; i < strategy.rings; ++i) {
      const auto& sockets = server->listeners_.sockets;
      server->acceptors_.push_back(
          std::make_unique<Acceptor>(sockets[i % sockets.size()].get(), strategy.multishot));
    }
    for (const auto& acceptor : server->acceptors_) {
      if (!spin_until([&] { return acceptor->ready(); })) {
        return net::fail("start an acceptor", ETIMEDOUT);
      }
    }
    return server;
  }
  ~Server() { shut_down(); }

  const net::Address& address() const { return listeners_.address; }
  uint64_t accepted() const {
    uint64_t sum = 0;
    for (const auto& acceptor : acceptors_) sum += acceptor->accepted();
    return sum;
  }
  uint64_t accepted_by_busiest() const {
    uint64_t most = 0;
    for (const auto& acceptor : acceptors_) most = std::max(most, acceptor->accepted());
    return most;
  }
  int64_t cpu_ns() {
    int64_t sum = 0;
    for (const auto& acceptor : acceptors_) sum += acceptor->cpu_ns();
    return sum;
  }
  net::Status stop() {
    shut_down();
    for (const auto& acceptor : acceptors_) {
      if (!acceptor->status()) return acceptor->status();
    }
    return {};
  }

 private:
  explicit Server(net::ListenGroup listeners) : listeners_(std::move(listeners)) {}
  void shut_down() {
    for (const net::OwnedFd& socket : listeners_.sockets) {
      (void)::shutdown(socket.get(), SHUT_RDWR);
    }
    for (const auto& acceptor : acceptors_) acceptor->join();
  }

  net::ListenGroup listeners_;
  std::vector<std::unique_ptr<Acceptor>> acceptors_;
};

net::Status connect_and_reset(const net::Address& address) {
  const net::OwnedFd socket(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return net::fail("socket", errno);
  const ::linger at_once{1, 0};
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) < 0) {
    return net::fail("setsockopt SO_LINGER", errno);
  }
  if (::connect(socket.get(), address.data(), address.size()) < 0) {
    return net::fail("connect to " + address.text(), errno);
  }
  return {};
}

net::Status connect_all(benchmark::State& state, Server& server) {
  uint64_t made = 0;
  while (state.KeepRunning()) {
    if (auto status = connect_and_reset(server.address()); !status) return status;
    ++made;
    if (!spin_until([&] { return made - server.accepted() < kWaitingMax; })) {
      return net::fail(fmt::format("{} connections, {} accepted", made, server.accepted()), 0);
    }
  }
  if (!spin_until([&] { return server.accepted() == made; })) {
    return net::fail(fmt::format("{} connections, {} accepted", made, server.accepted()), 0);
  }
  return {};
}

void accept_connections(benchmark::State& state, const Strategy& strategy) {
  static const net::Result<net::OwnedFd> network = net::make_network();
  if (!network) return skip(state, network.error());
  auto scope = net::NetworkScope::enter(*network);
  if (!scope) return skip(state, scope.error());
  auto server = Server::start(strategy);
  if (!server) return skip(state, server.error());

  const int64_t cpu_before_ns = (*server)->cpu_ns();
  auto status = connect_all(state, **server);
  const int64_t cpu_ns = (*server)->cpu_ns() - cpu_before_ns;
  if (status) status = (*server)->stop();
  if (!status) return skip(state, status.error());
  const auto connections = static_cast<double>((*server)->accepted());
  state.SetItemsProcessed(state.iterations());
  state.counters["accept_ns"] = static_cast<double>(cpu_ns) / connections;
  state.counters["busiest"] = static_cast<double>((*server)->accepted_by_busiest()) / connections;
}

bool register_all() {
  for (const bool multishot : {true, false}) {
    for (const Strategy& strategy : {Strategy{multishot, 1, false}, Strategy{multishot, 2, true},
                                     Strategy{multishot, 2, false}}) {
      benchmark::RegisterBenchmark(strategy.name().c_str(), [strategy](benchmark::State& state) {
        accept_connections(state, strategy);
      })->UseRealTime();
    }
  }
  return true;
}

[[maybe_unused]] const bool kRegistered = register_all();

}  // namespace
}  // namespace micro
