// Receiving small requests on many connections, each answered with as small a reply: how the
// receive is asked for (one-shot into a buffer of one's own, multishot into provided buffers, that
// with bundles, or POLL_ADD and recv(2)), how the reply leaves, and whether the ring knows the
// sockets as descriptors or as registered files. The client sends one message on every connection,
// then awaits every reply. No iteration ends before each message of its round has been answered.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <memory>
#include <thread>
#include <vector>

#include "bench/micro/links.h"
#include "bench/micro/machine.h"
#include "common/check.h"
#include "common/measure/cpu_time.h"
#include "common/net/ring.h"

#ifndef IORING_RECVSEND_BUNDLE  // Linux 6.10; liburing 2.3 does not name it yet
#define IORING_RECVSEND_BUNDLE (1U << 4)
#endif

namespace micro {
namespace {

constexpr unsigned kConnections = 64;
constexpr int kMessageBytes = 64;  // of a request, and of a reply
constexpr unsigned kBuffers = 256;
constexpr unsigned kBufferBytes = 4096;

enum class Receive { oneshot, multishot, bundle, poll };
enum class Reply { call, ring };  // send(2), or IORING_OP_SEND without a completion

struct Strategy {
  Receive receive;
  Reply reply;
  bool direct;  // registered files (io_uring_register_files(3))

  std::string name() const {
    constexpr std::array<const char*, 4> kReceiveNames = {"oneshot", "multishot", "bundle", "poll"};
    return fmt::format("receive/by:{}/reply:{}/fd:{}", kReceiveNames[static_cast<size_t>(receive)],
                       reply == Reply::call ? "call" : "ring", direct ? "direct" : "plain");
  }
};

// Sends a message on every link and awaits every reply, again and again, until a stream ends.
class Client {
 public:
  explicit Client(const std::vector<Link>& links) : links_(links), thread_([this] { run(); }) {}
  ~Client() { join(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void join() {
    if (thread_.joinable()) thread_.join();
  }
  uint64_t replies() const { return replies_; }  // after join()

 private:
  void run() {
    pin_this_thread(cpus().far);
    while (do_round()) {
    }
  }

  bool do_round() {
    char message[kMessageBytes] = {};
    for (const Link& link : links_) {
      if (::send(link.receiving.get(), message, sizeof message, MSG_NOSIGNAL) < 0) return false;
    }
    for (const Link& link : links_) {
      const ssize_t got = ::recv(link.receiving.get(), message, sizeof message, MSG_WAITALL);
      if (got != kMessageBytes) return false;
      ++replies_;
    }
    return true;
  }

  const std::vector<Link>& links_;
  uint64_t replies_ = 0;
  std::thread thread_;  // the last: it uses all of the others
};

// The measured end. User data of its operations: the index of the link, or kReplying.
class Server {
 public:
  static net::Result<std::unique_ptr<Server>> create(const Strategy& strategy,
                                                     const std::vector<Link>& links) {
    std::unique_ptr<Server> server(new Server(strategy, links));
    auto ring = net::Ring::open({});
    if (!ring) return tl::unexpected(ring.error());
    server->ring_ = std::move(*ring);
    auto buffers = net::BufferRing::create(*server->ring_, 0, kBuffers, kBufferBytes);
    if (!buffers) return tl::unexpected(buffers.error());
    server->provided_ = std::move(*buffers);
    if (strategy.direct) {
      std::vector<int> sockets;
      sockets.reserve(links.size());
      for (const Link& link : links) sockets.push_back(link.sending.get());
      const int error = io_uring_register_files(server->ring_->raw(), sockets.data(), kConnections);
      if (error != 0) return net::fail("io_uring_register_files", -error);
    }
    for (unsigned i = 0; i < kConnections; ++i) server->arm(i);
    return server;
  }

  // Until every connection's message of this round has been answered.
  net::Status answer_round() {
    const uint64_t wanted = answered_ + kConnections;
    while (answered_ < wanted && status_) turn();
    return status_;
  }

  // Ends every stream, lets the client see it, and waits until no operation is left that could
  // write into this object.
  net::Status stop(Client& client) {
    ring_->submit_and_poll();  // replies that are still queued
    stopping_ = true;
    for (const Link& link : links_) (void)::shutdown(link.sending.get(), SHUT_WR);
    client.join();
    for (const Link& link : links_) (void)::shutdown(link.sending.get(), SHUT_RD);
    while (armed_ > 0) turn();
    return status_;
  }

  uint64_t answered() const { return answered_; }

 private:
  static constexpr uint64_t kReplying = kConnections;

  Server(const Strategy& strategy, const std::vector<Link>& links)
      : strategy_(strategy), links_(links) {}

  void turn() {
    ring_->submit_and_wait(std::chrono::nanoseconds(kPatienceNs));
    const unsigned count =
        ring_->for_each_completion([this](const io_uring_cqe& cqe) { on_completed(cqe); });
    if (count == 0 && status_) status_ = net::fail("wait for a completion", ETIMEDOUT);
  }

  void name_socket(io_uring_sqe* sqe, unsigned index) const {
    if (!strategy_.direct) return;
    sqe->fd = static_cast<int>(index);
    sqe->flags |= IOSQE_FIXED_FILE;
  }

  void arm(unsigned index) {
    io_uring_sqe* sqe = ring_->next_entry();
    const int socket = links_[index].sending.get();
    if (strategy_.receive == Receive::poll) {
      io_uring_prep_poll_add(sqe, socket, POLLIN);
    } else if (strategy_.receive == Receive::oneshot) {
      io_uring_prep_recv(sqe, socket, own_[index].data(), own_[index].size(), 0);
    } else {
      io_uring_prep_recv_multishot(sqe, socket, nullptr, 0, 0);
      sqe->flags |= IOSQE_BUFFER_SELECT;
      sqe->buf_group = provided_->group();
      if (strategy_.receive == Receive::bundle) sqe->ioprio |= IORING_RECVSEND_BUNDLE;
    }
    name_socket(sqe, index);
    io_uring_sqe_set_data64(sqe, index);
    ++armed_;
  }

  void on_completed(const io_uring_cqe& cqe) {
    if (cqe.user_data == kReplying) {  // only failures complete
      return fail("send the reply", -cqe.res);
    }
    const auto index = static_cast<unsigned>(cqe.user_data);
    const bool armed = (cqe.flags & IORING_CQE_F_MORE) != 0;
    if (!armed) --armed_;
    const int got = strategy_.receive == Receive::poll ? read(index, cqe.res) : cqe.res;
    if ((cqe.flags & IORING_CQE_F_BUFFER) != 0) provided_->give_back(cqe);
    if (stopping_) return;
    if (got == -ENOBUFS || got == -EINTR) return armed ? void() : arm(index);
    if (got < 0) return fail("receive", -got);
    // One message is on its way at a time, in one segment.
    if (got != kMessageBytes) return fail(fmt::format("receive a whole message: {} B", got), 0);
    reply(index);
    ++answered_;
    if (!armed) arm(index);
  }

  int read(unsigned index, int poll_result) {
    if (poll_result < 0) return poll_result;
    auto& buffer = own_[index];
    const ssize_t got =
        ::recv(links_[index].sending.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    return got < 0 ? -errno : static_cast<int>(got);
  }

  void reply(unsigned index) {
    static constexpr std::array<char, kMessageBytes> kText{};
    const int socket = links_[index].sending.get();
    if (strategy_.reply == Reply::call) {
      const ssize_t sent = ::send(socket, kText.data(), kText.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent != kMessageBytes) fail("send the reply", sent < 0 ? errno : EIO);
      return;
    }
    io_uring_sqe* sqe = ring_->next_entry();
    io_uring_prep_send(sqe, socket, kText.data(), kText.size(), MSG_NOSIGNAL);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    name_socket(sqe, index);
    io_uring_sqe_set_data64(sqe, kReplying);
  }

  void fail(std::string what, int error) {
    if (status_) status_ = net::fail(std::move(what), error);
  }

  // Destroyed from the bottom up: the buffers outlive the ring that may write to them.
  const Strategy strategy_;
  const std::vector<Link>& links_;
  std::array<std::array<char, kBufferBytes>, kConnections> own_;
  std::unique_ptr<net::Ring> ring_;
  std::unique_ptr<net::BufferRing> provided_;
  net::Status status_;
  uint64_t answered_ = 0;
  unsigned armed_ = 0;
  bool stopping_ = false;
};

net::Result<std::vector<Link>> open_links() {
  std::vector<Link> links;
  for (unsigned i = 0; i < kConnections; ++i) {
    auto link = open_link(Over::tcp);
    if (!link) return tl::unexpected(link.error());
    links.push_back(std::move(*link));
  }
  return links;
}

void receive_messages(benchmark::State& state, const Strategy& strategy) {
  const auto links = open_links();
  if (!links) return skip(state, links.error());
  auto server = Server::create(strategy, *links);
  if (!server) return skip(state, server.error());
  Client client(*links);

  net::Status status = (*server)->answer_round();
  const int64_t cpu_before_ns = measure::thread_cpu_ns();
  while (status && state.KeepRunning()) status = (*server)->answer_round();
  const int64_t cpu_ns = measure::thread_cpu_ns() - cpu_before_ns;
  const net::Status stopped = (*server)->stop(client);
  if (!status) return skip(state, status.error());
  if (!stopped) return skip(state, stopped.error());
  if (client.replies() != (*server)->answered()) {
    return state.SkipWithError(fmt::format("{} messages answered, {} replies received",
                                           (*server)->answered(), client.replies())
                                   .c_str());
  }
  const auto messages = static_cast<double>(state.iterations() * kConnections);
  state.SetItemsProcessed(state.iterations() * kConnections);
  state.counters["message_ns"] = static_cast<double>(cpu_ns) / messages;
}

bool register_all() {
  constexpr std::array<Strategy, 10> kStrategies = {{
      {Receive::oneshot, Reply::call, false},
      {Receive::multishot, Reply::call, false},
      {Receive::bundle, Reply::call, false},
      {Receive::poll, Reply::call, false},
      {Receive::oneshot, Reply::ring, false},
      {Receive::oneshot, Reply::ring, true},
      {Receive::multishot, Reply::ring, false},
      {Receive::multishot, Reply::ring, true},
      {Receive::bundle, Reply::ring, false},
      {Receive::bundle, Reply::ring, true},
  }};
  for (const Strategy& strategy : kStrategies) {
    benchmark::RegisterBenchmark(
        strategy.name().c_str(),
        [strategy](benchmark::State& state) { receive_messages(state, strategy); })
        ->UseRealTime()
        ->Unit(benchmark::kMicrosecond);
  }
  return true;
}

[[maybe_unused]] const bool kRegistered = register_all();

}  // namespace
}  // namespace micro
