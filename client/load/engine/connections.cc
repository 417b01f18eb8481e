// How connections come and go, and how requests get onto them. Whatever happens to a socket, its
// slot is given another one, at once or after a while: only the end of the run ends it.
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>

#include "client/load/engine/worker.h"
#include "common/check.h"

namespace ringload {
namespace {

constexpr int64_t kFirstRetryNs = 10'000'000;
constexpr int64_t kLastRetryNs = 1'000'000'000;
constexpr unsigned kDoublingsMax = 7;
constexpr unsigned kRequestsPerSendMax = 64;
// A body longer than this is discarded in the kernel instead of being copied out of it.
constexpr uint64_t kDiscardBytesMin = 8 << 10;
// Of one discarding receive; the kernel wakes us once for as much, or for the rest of the body.
constexpr uint64_t kLowWaterBytesMax = 1 << 20;

int64_t retry_delay_ns(unsigned failures) {
  if (failures == 0) return 0;
  return std::min(kLastRetryNs, kFirstRetryNs << std::min(failures - 1, kDoublingsMax));
}

}  // namespace

void Worker::open_slot(Connection& connection, Gate gate) {
  if (lazy_ && plan_.open_loop() && connection.pending.empty()) {
    end_lost_time(connection);  // it is ready, and waits for work
    return make_available(connection);
  }
  // Where requests are counted, no connection is opened that would find none left.
  const bool request_first = !plan_.open_loop() && (lazy_ || plan_.requests > 0);
  if (request_first && connection.pending.empty()) {
    if (!may_begin() || !take_budget()) return end_lost_time(connection);
    take(connection, now_ns_);
  }
  connect(connection, gate);
}

void Worker::connect(Connection& connection, Gate gate) {
  CHECK(connection.state == Connection::State::down && !connection.retry_planned);
  if (gates_[connection.target].closed() && gate == Gate::wait) {
    connection.retry_planned = true;
    gates_[connection.target].wait(connection.slot);
    return;
  }
  auto fd = connector_.open(target_of(connection));
  connection.state = Connection::State::connecting;
  connection.state_since_ns = now_ns_;
  if (!fd) {
    const bool source = fd.error().what.rfind("bind", 0) == 0;
    connect_failed(connection, source ? "bind" : "socket", net::errno_name(fd.error().errno_value));
    return;
  }
  connection.fd = std::move(*fd);
  const net::Address& address = target_of(connection).address;
  io_uring_sqe* sqe = ring_->next_entry();
  io_uring_prep_connect(sqe, connection.fd.get(), address.data(), address.size());
  io_uring_sqe_set_data64(sqe, pack(Operation::connect, connection));
}

void Worker::on_connect(Connection& connection, int result) {
  if (result == -EADDRNOTAVAIL) return no_port(connection);
  if (result < 0) {
    int none = 0;
    control_.first_connect_errno.compare_exchange_strong(none, -result);
    return connect_failed(connection, "connect", net::errno_name(-result));
  }
  gates_[connection.target].found_port(now_ns_);
  connection.state = Connection::State::open;
  connection.failures = 0;
  ever_opened_ = true;
  ++open_;
  ++interval_->opened;
  end_lost_time(connection);
  connection.unsent = connection.pending.size();
  if (!plan_.open_loop()) {
    // A closed loop measures service, to which connecting belongs where each request does it; the
    // time without a connection is in the figures of the connections.
    if (!connection.pending.empty()) {
      connection.pending.front().from_ns = lazy_ ? connection.state_since_ns : now_ns_;
    }
    refill(connection);
  } else if (!connection.pending.empty()) {
    send_taken(connection);
  }
  if (connection.state != Connection::State::open) return;
  arm_receive(connection);
  if (keeps_going(connection)) make_available(connection);
}

void Worker::no_port(Connection& connection) {
  PortGate& gate = gates_[connection.target];
  drop_socket(connection);
  connection.retry_planned = true;
  if (!gate.failed(now_ns_)) {  // another source may have one
    gate.wait_first(connection.slot);
    return;
  }
  gate.wait(connection.slot);
  if (connection.lost_since_ns == 0) connection.lost_since_ns = now_ns_;
  interval_->count_error("connect", "EADDRNOTAVAIL");
  ++interval_->failed;
  ++interval_->no_port;
  int64_t never = kNever;
  control_.exhausted_ns.compare_exchange_strong(never, now_ns_);
  ::eventfd_write(control_.coordinator_wake.get(), 1);
}

// Not for want of a port. The slot keeps the request it wanted to connect for.
void Worker::connect_failed(Connection& connection, std::string_view phase, std::string_view name) {
  gates_[connection.target].found_port(now_ns_);
  interval_->count_error(phase, name);
  ++interval_->failed;
  ++attempts_failed_;
  ++connection.failures;
  if (connection.lost_since_ns == 0) connection.lost_since_ns = now_ns_;
  drop_socket(connection);
  plan_retry(connection, retry_delay_ns(connection.failures));
}

void Worker::plan_retry(Connection& connection, int64_t delay_ns) {
  connection.retry_planned = true;
  retries_.push({now_ns_ + delay_ns, connection.slot});
}

void Worker::try_again() {
  while (!retries_.empty() && retries_.top().at_ns <= now_ns_) {
    const uint32_t slot = retries_.top().slot;
    retries_.pop();
    retry(*connections_[slot], Gate::wait);
  }
  for (PortGate& gate : gates_) {
    while (const auto slot = gate.next(now_ns_)) {
      retry(*connections_[*slot], Gate::pass);
      if (connections_[*slot]->state == Connection::State::connecting) break;  // one at a time
      gate.found_port(now_ns_);  // it did not try after all: the next one may
    }
  }
}

// EADDRNOTAVAIL is known when connect() has been submitted. Who is still connecting after that has
// a port, and the next need not wait for the answer to its SYN.
void Worker::settle_probes() {
  for (PortGate& gate : gates_) {
    const auto slot = gate.probing();
    if (slot && connections_[*slot]->state == Connection::State::connecting) {
      gate.found_port(now_ns_);
    }
  }
}

void Worker::retry(Connection& connection, Gate gate) {
  connection.retry_planned = false;
  if (!wanted(connection)) return give_back_request(connection);
  if (has_work() || !connection.pending.empty()) {
    open_slot(connection, gate);
  } else {
    end_lost_time(connection);
  }
}

// Of a slot that is not wanted any more (a ramp goes down) before it got a connection.
void Worker::give_back_request(Connection& connection) {
  end_lost_time(connection);
  if (connection.pending.empty()) return;
  CHECK(connection.state == Connection::State::down && connection.pending.size() == 1);
  const bool measured = connection.pending.front().from_ns >= control_.measured_from_ns;
  if (plan_.open_loop() && measured) ++interval_->unsent;
  if (plan_.requests > 0) control_.budget.fetch_add(1, std::memory_order_relaxed);
  connection.pending.clear();
  --outstanding_;
}

void Worker::end_lost_time(Connection& connection) {
  if (connection.lost_since_ns == 0) return;
  interval_->lost_ns += static_cast<uint64_t>(now_ns_ - connection.lost_since_ns);
  connection.lost_since_ns = 0;
}

// --- ends ---

// All that was asked on this connection has been answered, and it is not to go on.
void Worker::end_connection(Connection& connection) {
  CHECK(connection.state == Connection::State::open && connection.pending.empty());
  connection.closing = true;
  if (connection.server_closes) {
    connection.state = Connection::State::ending;
    connection.state_since_ns = now_ns_;
    if (!connection.receiving) arm_receive(connection);
    return;
  }
  drop_socket(connection);
  reopen(connection);
}

// With an operation under way, close(2) alone would not end the connection: the ring holds the
// socket until the operation completes. A receive that is shut down lets go of it. And an operation
// that is still in the queue would be submitted with a descriptor that is another's by then.
void Worker::drop_socket(Connection& connection) {
  if (connection.state == Connection::State::down) return;
  if (connection.state == Connection::State::open ||
      connection.state == Connection::State::ending) {
    --open_;
  }
  if (connection.fd.valid()) {
    const bool reset = plan_.close_by == CloseBy::reset;
    const bool held = connection.receiving || connection.awaiting_room;
    if (held || connection.state == Connection::State::connecting) ring_->submit_and_poll();
    if (reset) {
      const linger none{1, 0};
      ::setsockopt(connection.fd.get(), SOL_SOCKET, SO_LINGER, &none, sizeof none);
    }
    if (reset && held) {
      const sockaddr unspecified{AF_UNSPEC, {}};  // drops the connection with a reset, connect(2)
      ::connect(connection.fd.get(), &unspecified, sizeof unspecified);
    } else if (held) {
      ::shutdown(connection.fd.get(), SHUT_RDWR);
    }
  }
  connection.fd.reset();
  connection.generation = (connection.generation + 1) & 0xFFFFFF;
  connection.state = Connection::State::down;
  connection.receiving = connection.awaiting_room = false;
  connection.closing = connection.server_closes = false;
  connection.taken = connection.pending.size();
  connection.answered = 0;
  connection.unsent = 0;
  connection.unsent_offset = 0;
  connection.parser.reset();
  connection.in_body = connection.mismatch = false;
  connection.body_offset = kBodyNotBegun;
  connection.low_water_bytes = 1;
}

// A failure: what was sent and not answered is lost, each request counted.
void Worker::lose_connection(Connection& connection, std::string_view phase,
                             std::string_view name) {
  const bool answered = connection.answered > 0;
  const unsigned lost = connection.pending.size();
  interval_->count_error(phase, name, std::max(1U, lost));
  in_flight_ -= lost - connection.unsent;
  outstanding_ -= lost;
  connection.pending.clear();
  drop_socket(connection);
  connection.failures = answered ? 0 : connection.failures + 1;
  if (connection.lost_since_ns == 0) connection.lost_since_ns = now_ns_;
  reopen(connection);
}

void Worker::reopen(Connection& connection) {
  if (!wanted(connection) || (!has_work() && connection.pending.empty())) {
    return end_lost_time(connection);
  }
  if (connection.failures == 0 && connection.lost_since_ns == 0) {
    open_slot(connection);
  } else if (!connection.retry_planned) {
    plan_retry(connection, retry_delay_ns(connection.failures));
  }
}

// --- requests ---

bool Worker::out_of_budget() const {
  return plan_.requests > 0 && control_.budget.load(std::memory_order_relaxed) <= 0;
}

bool Worker::has_work() const { return may_begin() && !giving_up_ && !out_of_budget(); }

bool Worker::take_budget() {
  if (plan_.requests == 0 || now_ns_ < control_.measured_from_ns) return true;
  // Never below nothing, or what is given back would not be there to be taken.
  int64_t left = control_.budget.load(std::memory_order_relaxed);
  while (left > 0 && !control_.budget.compare_exchange_weak(left, left - 1)) {
  }
  return left > 0;
}

void Worker::take(Connection& connection, int64_t from_ns) {
  const RequestSet& requests = materials_.requests[connection.target];
  ++connection.taken;
  ++outstanding_;
  const uint32_t limit = plan_.requests_per_connection;
  connection.pending.push(
      {from_ns, now_ns_, requests.choose(random_), limit != 0 && connection.taken == limit});
  if (connection.state == Connection::State::open) ++connection.unsent;
}

void Worker::refill(Connection& connection) {
  if (plan_.open_loop()) return;
  while (keeps_going(connection) && may_begin() && take_budget()) take(connection, now_ns_);
  if (connection.unsent > 0) send_taken(connection);
}

void Worker::send_taken(Connection& connection) {
  const RequestSet& requests = materials_.requests[connection.target];
  while (connection.unsent > 0 && !connection.awaiting_room) {
    std::array<iovec, kRequestsPerSendMax> parts;
    const unsigned count = std::min(connection.unsent, kRequestsPerSendMax);
    const unsigned first = connection.pending.size() - connection.unsent;
    for (unsigned i = 0; i < count; ++i) {
      PendingRequest& pending = connection.pending.at(first + i);
      const PreparedRequest& request = requests.at(pending.request);
      const bool closing = pending.last && !request.closing_bytes.empty();
      const std::string& bytes = closing ? request.closing_bytes : request.bytes;
      const size_t skip = i == 0 ? connection.unsent_offset : 0;
      parts[i] = {const_cast<char*>(bytes.data()) + skip, bytes.size() - skip};
      pending.sent_ns = now_ns_;
    }
    const msghdr message{.msg_name = nullptr,
                         .msg_namelen = 0,
                         .msg_iov = parts.data(),
                         .msg_iovlen = count,
                         .msg_control = nullptr,
                         .msg_controllen = 0,
                         .msg_flags = 0};
    const ssize_t sent = ::sendmsg(connection.fd.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EAGAIN) {
      connection.awaiting_room = true;
      io_uring_sqe* sqe = ring_->next_entry();
      io_uring_prep_poll_add(sqe, connection.fd.get(), POLLOUT);
      io_uring_sqe_set_data64(sqe, pack(Operation::room, connection));
      return;
    }
    if (sent < 0) return lose_connection(connection, "send", net::errno_name(errno));
    auto left = static_cast<size_t>(sent);
    for (unsigned i = 0; i < count && left >= parts[i].iov_len; ++i) {
      left -= parts[i].iov_len;
      connection.unsent_offset = 0;
      --connection.unsent;
      ++in_flight_;
    }
    connection.unsent_offset += left;
  }
}

// --- receiving ---

void Worker::set_low_water(Connection& connection, int bytes) {
  if (connection.low_water_bytes == bytes || target_of(connection).address.is_unix()) return;
  // Where it fails the kernel wakes us more often, nothing else.
  ::setsockopt(connection.fd.get(), SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes);
  connection.low_water_bytes = bytes;
}

void Worker::arm_receive(Connection& connection) {
  if (connection.receiving || !connection.fd.valid()) return;
  if (connection.state != Connection::State::open &&
      connection.state != Connection::State::ending) {
    return;
  }
  connection.receiving = true;
  io_uring_sqe* sqe = ring_->next_entry();
  if (connection.in_body && plan_.body == BodyMode::discard &&
      connection.body_left > kDiscardBytesMin && !target_of(connection).address.is_unix()) {
    const auto length = static_cast<size_t>(std::min<uint64_t>(connection.body_left, 1 << 30));
    set_low_water(connection, static_cast<int>(std::min<uint64_t>(length, kLowWaterBytesMax)));
    io_uring_prep_recv(sqe, connection.fd.get(), nullptr, length, MSG_TRUNC);
    io_uring_sqe_set_data64(sqe, pack(Operation::discard, connection));
  } else {
    set_low_water(connection, 1);
    io_uring_prep_recv(sqe, connection.fd.get(), nullptr, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = buffers_->group();
    io_uring_sqe_set_data64(sqe, pack(Operation::receive, connection));
  }
  sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
}

}  // namespace ringload
