// A worker's listeners: how many connections it takes at a time, what it does when there is no
// descriptor left, and how it stops.
#include <fcntl.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "server/operation.h"
#include "server/worker.h"

namespace ringserve {
namespace {

// With no descriptor left, accepting pauses until a connection closes, or this long: the
// descriptors may be another process's to give back.
constexpr int64_t kAcceptPauseMs = 250;

// Refusals of addresses that have too many connections are said this often, by each worker.
constexpr int64_t kRefusalsSaidMs = 60'000;

// What a client has sent already when it is refused is read up to here: closing with more unread
// resets the connection, which may destroy the reply.
constexpr size_t kRefusedInputBytesMax = 64 * 1024;

}  // namespace

bool Worker::is_accepting() const {
  return std::any_of(listeners_.begin(), listeners_.end(),
                     [](const Listener& listener) { return listener.armed; });
}

void Worker::resume_accepting() {
  if (services_->draining) return;
  if (accept_paused_until_ms_ > services_->now_ms) return;
  accept_paused_until_ms_ = 0;
  for (uint32_t index = 0; index < listeners_.size(); ++index) {
    if (listeners_[index].armed) continue;
    if (free_connections() == 0) {
      accept_paused_until_ms_ = services_->now_ms + kAcceptPauseMs;
      return;
    }
    arm_accept(index);
  }
}

uint64_t Worker::free_connections() const {
  const uint64_t open = config_.connections->load(std::memory_order_relaxed);
  return config_.max_connections > open ? config_.max_connections - open : 0;
}

void Worker::arm_accept(uint32_t index) {
  Listener& listener = listeners_[index];
  // A multishot accept takes all that is queued before anybody can count: near the limit, and on
  // a socket that workers share, one at a time. (On a shared socket a multishot accept would also
  // keep its place at the head of the wait queue and get every connection.)
  const bool one_at_a_time =
      listener.listener.shared || free_connections() <= config_.accept_burst_max;
  constexpr int kFlags = SOCK_CLOEXEC | SOCK_NONBLOCK;  // sendfile and splice know no MSG_DONTWAIT
  io_uring_sqe* sqe = ring_->next_entry();
  const int fd = listener.listener.socket.get();
  if (one_at_a_time) {
    io_uring_prep_accept(sqe, fd, nullptr, nullptr, kFlags);
  } else {
    io_uring_prep_multishot_accept(sqe, fd, nullptr, nullptr, kFlags);
  }
  io_uring_sqe_set_data64(sqe, pack(Operation::accept, {index, 1}));
  listener.armed = true;
  listener.multishot = !one_at_a_time;
}

void Worker::cancel_accept(uint32_t index) {
  ring_->cancel(pack(Operation::accept, {index, 1}), pack(Operation::ignored));
}

void Worker::on_accepted(const io_uring_cqe& cqe) {
  const uint32_t index = slot_of(cqe.user_data).slot;
  Listener& listener = listeners_[index];
  if ((cqe.flags & IORING_CQE_F_MORE) == 0) listener.armed = false;
  if (cqe.res >= 0) add_connection(cqe.res, listener.listener.is_tcp);
  if (!listener.armed && services_->handed_over) return leave_listener(listener);
  if (cqe.res >= 0) {
    const bool near_limit = free_connections() <= config_.accept_burst_max;
    if (near_limit && listener.armed && listener.multishot) cancel_accept(index);
    return;
  }
  const int error = -cqe.res;
  if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM) {
    const size_t shed = shed_descriptors();
    spdlog::warn(
        "accept: {}: paused until a descriptor is free ({} connections, {} cached files closed); "
        "raise RLIMIT_NOFILE or lower --max-connections",
        net::errno_name(error), connections_.size(), shed);
    services_->statistics.accept_pauses.add();
    accept_paused_until_ms_ = services_->now_ms + kAcceptPauseMs;
  } else if (error != ECANCELED && error != ECONNABORTED && error != EINTR) {
    spdlog::warn("accept: {}", net::errno_name(error));
    accept_paused_until_ms_ = services_->now_ms + kAcceptPauseMs;
  }
}

void Worker::add_connection(int socket, bool is_tcp) {
  clients::Addresses::Hold address;
  const Limits& limits = services_->limits;
  if (is_tcp && limits.need_addresses()) {
    if (const auto client = clients::Prefix::of_peer(socket)) {
      address = config_.addresses->enter(*client, limits.connections_per_address,
                                         clients::monotonic_ns());
      if (!address) return refuse(net::OwnedFd(socket), *client);
    }
  }
  config_.connections->fetch_add(1, std::memory_order_relaxed);
  connections_.create(*services_, socket, is_tcp, std::move(address)).start();
}

// The address has as many connections as it may have. The client is told without waiting for its
// request, if its socket takes that at once: a new one always does.
void Worker::refuse(net::OwnedFd socket, const clients::Prefix& client) {
  services_->statistics.count(Limit::connections_per_address);
  std::array<char, http::kReplyHeadBytesMax> reply;
  http::HeadBuffer head(reply.data(), reply.size());
  http::reply_with_error(503, *preamble_, {.head_only = false, .keep_alive = false, .more = {}},
                         head);
  (void)::send(socket.get(), reply.data(), head.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  (void)::recv(socket.get(), nullptr, kRefusedInputBytesMax, MSG_DONTWAIT | MSG_TRUNC);
  ++refusals_unsaid_;
  if (refusals_said_at_ms_ > 0 && services_->now_ms - refusals_said_at_ms_ < kRefusalsSaidMs)
    return;
  spdlog::warn(
      "{}: refused: it has {} connections, and --max-connections-per-address allows no more ({} "
      "refused since this was last said)",
      client.text(), services_->limits.connections_per_address, refusals_unsaid_);
  refusals_said_at_ms_ = services_->now_ms;
  refusals_unsaid_ = 0;
}

// Clients that were waiting in the accept queue are still served; closing the listener would reset
// them (tcp(7)).
void Worker::serve_accept_queue(Listener& listener) {
  const int fd = listener.listener.socket.get();
  if (::fcntl(fd, F_SETFL, O_NONBLOCK) < 0) return;
  for (uint64_t taken = 0; taken < config_.accept_burst_max;) {
    const int socket = ::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (socket >= 0) {
      add_connection(socket, listener.listener.is_tcp);
      ++taken;
    } else if (errno != EINTR && errno != ECONNABORTED) {  // one of them is gone, others wait
      return;
    }
  }
}

// The successor serves the queue, but for one case: a connection that came while this worker's
// accept was being cancelled has woken that accept and nobody else's (EPOLLEXCLUSIVE of io_uring's
// accept), and would wait until the next one comes.
void Worker::leave_listener(Listener& listener) {
  const int fd = listener.listener.socket.get();
  pollfd queue{fd, POLLIN, 0};
  if (::poll(&queue, 1, 0) > 0) {
    serve_accept_queue(listener);
  }
  listener.listener.socket.reset();
}

void Worker::start_draining(Drain how) {
  if (services_->draining) return;
  services_->draining = true;
  services_->handed_over = how == Drain::handed_over;
  drain_deadline_ms_ = services_->now_ms + std::max<int64_t>(settings_.drain_ms, 1);
  if (how == Drain::at_once) {
    connections_.for_each([this](Connection& connection) {
      connection.drain();
      forget_if_finished(connection);
    });
  }
  for (uint32_t index = 0; index < listeners_.size(); ++index) {
    Listener& listener = listeners_[index];
    if (listener.armed) cancel_accept(index);
    if (how == Drain::handed_over) {
      if (!listener.armed) leave_listener(listener);  // else when that is over
      continue;
    }
    serve_accept_queue(listener);
    listener.listener.socket.reset();
  }
}

}  // namespace ringserve
