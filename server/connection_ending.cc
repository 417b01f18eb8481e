// How a connection ends: in time or not, by whom, and so who keeps it in TIME_WAIT: the side that
// sends its FIN first (RFC 9293 section 3.6). `--close` chooses.
#include <cerrno>

#include "common/check.h"
#include "server/connection.h"
#include "server/operation.h"

namespace ringserve {
namespace {

// After the last reply: how long the client may take to close, its input discarded. A plain
// close() with unread input sends RST, which destroys the reply in flight (RFC 9112 section 9.6).
constexpr int64_t kLingerMs = 3'000;

// Where the client is to close first (--close client): how long it may take, from the last reply
// on. Those that read until the server closes wait so long for nothing.
constexpr int64_t kClientEndsMs = 1'000;

// Before a reset (--close reset): how long the client may take to acknowledge the last reply. A
// delayed acknowledgement takes 40 ms (TCP_DELACK_MIN).
constexpr int64_t kAcknowledgeMs = 250;

// A deadline that meets a connection whose turn is about to come is looked at again.
constexpr int64_t kSoonMs = 100;

}  // namespace

// Between requests, or with part of one: sets the deadline, or closes if no more can come.
void Connection::wait_for_request() {
  CHECK(state_ == State::reading);
  if (yielding_ || flush_pending_) return;
  if (search_ != nullptr) {
    services_.timers.set(id_.slot, services_.now_ms + services_.timeouts.send_ms);
    return;
  }
  if (input_ended_) return close(false);
  if (!request_begun()) {
    if (services_.draining && !services_.handed_over) return linger();
    request_timed_ = false;
    if (idle_timed_) return;  // what came was an empty line (RFC 9112 section 2.2)
    idle_timed_ = true;
    services_.timers.set(id_.slot, services_.now_ms + services_.timeouts.idle_ms);
  } else if (!request_timed_) {
    request_timed_ = true;
    services_.timers.set(id_.slot, services_.now_ms + services_.timeouts.header_ms);
  }
}

void Connection::on_deadline() {
  Statistics& statistics = services_.statistics;
  switch (state_) {
    case State::reading:
      if (yielding_ || flush_pending_) {  // a client that sends on and on; its turn comes at once
        services_.timers.set(id_.slot, services_.now_ms + kSoonMs);
        return;
      }
      if (is_idle() && services_.draining && !services_.handed_over) return close(false);
      if (!request_begun() || search_ != nullptr) {
        statistics.count(search_ != nullptr ? Timeout::send : Timeout::idle);
        return close(search_ != nullptr || services_.close == ClosePolicy::reset);
      }
      statistics.count(Timeout::header);
      services_.received_at_us = services_.now_us;
      keep_alive_ = told_the_end_ = false;
      answer_in_text(408, nullptr);
      flush();
      return;
    case State::replying: return look_at_sending();
    case State::lingering:
      if (waits_for_end_) return end_after_waiting();
      statistics.count(Timeout::linger);
      return close(false);
    case State::closing: return;
  }
}

void Connection::end() { close(!is_idle()); }

// Whether this policy leaves the first step to the client, and the protocol allows that: the client
// has been told where its last reply ends, and that it is the last (RFC 9112 section 9.6).
bool Connection::leaves_end_to_client() const {
  return services_.close != ClosePolicy::server && is_tcp_ && told_the_end_ && !input_ended_;
}

// After the last reply.
void Connection::linger() {
  if (!leaves_end_to_client()) return end_first();
  if (services_.close == ClosePolicy::reset && unacknowledged_bytes() == 0) return close(true);
  state_ = State::lingering;
  waits_for_end_ = true;
  input_.reset();
  if (!receiving_) arm_receive();
  const bool resets = services_.close == ClosePolicy::reset;
  const int64_t wait_ms = resets ? kAcknowledgeMs : kClientEndsMs;
  services_.timers.set(id_.slot, services_.now_ms + wait_ms);
}

// The client has not ended the connection, or was not to be waited for. One that asked for the end
// sends nothing more (RFC 9112 section 9.6): both directions end at once, the receive by itself,
// and nobody has to wake up for the client's FIN. Any other client may still be sending.
void Connection::end_first() {
  waits_for_end_ = false;
  const bool nothing_more = client_ends_ && input_ == nullptr;
  if (input_ended_ || ::shutdown(socket_.get(), nothing_more ? SHUT_RDWR : SHUT_WR) < 0) {
    return close(false);
  }
  if (nothing_more) {
    receive_cancelled_ = true;
    return close(false);
  }
  state_ = State::lingering;
  input_.reset();
  if (!receiving_) arm_receive();
  services_.timers.set(id_.slot, services_.now_ms + kLingerMs);
}

void Connection::end_after_waiting() {
  if (services_.close == ClosePolicy::reset && unacknowledged_bytes() == 0) return close(true);
  end_first();
}

// The socket itself is closed when the last operation has let go of it.
void Connection::close(bool reset) {
  if (state_ == State::closing) return;
  state_ = State::closing;
  services_.timers.cancel(id_.slot);
  if (reset) {
    const ::linger at_once{1, 0};  // socket(7): close sends RST and drops what is queued
    (void)::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  if (reset && is_tcp_ && transfer_ != nullptr && transfer_->in_flight > 0) {
    // A zero-copy send is over when the client acknowledges it, which this one may never do.
    // connect(2) to AF_UNSPEC drops what is queued and sends RST now, not at the last close.
    // The family alone: the sandbox allows no connect(2) that names an address.
    const sockaddr nowhere{AF_UNSPEC, {}};
    (void)::connect(socket_.get(), &nowhere, sizeof nowhere.sa_family);
  }
  input_.reset();
  parts_.reset();
  cancel_receive();
  if (awaiting_writable_) {
    services_.ring.cancel(pack(Operation::writable, id_), pack(Operation::ignored));
  }
  if (transfer_ == nullptr) return;
  transfer_->aborted = true;
  if (transfer_->in_flight == 0) release_transfer();
}

}  // namespace ringserve
