// The state machine: what comes in and what goes out. What is said in between is in
// connection_answers.cc, how it ends in connection_ending.cc. Relies on: one multishot receive per
// connection, every other operation counted in operations_ or in its transfer. Never frees what the
// kernel may still write to.
#include "server/connection.h"

#include <poll.h>
#include <spdlog/spdlog.h>

#include <cerrno>

#include "common/check.h"
#include "server/http/protocol.h"
#include "server/log/escape.h"
#include "server/operation.h"

namespace ringserve {
namespace {

// Requests that arrive while a reply is on its way are kept up to here; beyond, the client has to
// wait: the receive is cancelled and TCP's window closes.
constexpr size_t kInputBytesMax = 64 * 1024;

// Where addresses take turns: of what has come, so much is looked at in one of them.
constexpr size_t kTurnInputBytesMax = 4 * 1024;

// While draining: how long a client that has not asked anything yet may take to send a request.
constexpr int64_t kLastRequestMs = 1'000;

}  // namespace

Connection::Connection(SlotId id, Services& services, int socket, bool is_tcp,
                       clients::Addresses::Hold address)
    : id_(id),
      services_(services),
      socket_(socket),
      is_tcp_(is_tcp),
      address_(std::move(address)) {}

Connection::~Connection() { CHECK(finished()); }

void Connection::start() {
  services_.statistics.connections.add();
  if (services_.log.is_on()) note_remote();
  arm_receive();
  idle_timed_ = true;
  const bool is_late = services_.draining && !services_.handed_over;
  const int64_t wait_ms = is_late ? kLastRequestMs : services_.timeouts.idle_ms;
  services_.timers.set(id_.slot, services_.now_ms + wait_ms);
}

bool Connection::is_idle() const {
  return state_ == State::reading && search_ == nullptr && !request_begun() &&
         transfer_ == nullptr && input_ == nullptr;
}

void Connection::drain() {
  if (!is_idle()) return;
  if (requests_ > 0) return close(false);
  // Its first request may be on the way, and its client has no reason to send that again.
  services_.timers.set(id_.slot, services_.now_ms + kLastRequestMs);
}

// --- receiving ---

void Connection::arm_receive() {
  io_uring_sqe* sqe = services_.ring.next_entry();
  io_uring_prep_recv_multishot(sqe, socket_.get(), nullptr, 0, 0);
  sqe->flags |= IOSQE_BUFFER_SELECT;
  sqe->buf_group = services_.receive_buffers.group();
  io_uring_sqe_set_data64(sqe, pack(Operation::receive, id_));
  receiving_ = true;
  receive_cancelled_ = false;
  ++operations_;
}

void Connection::cancel_receive() {
  if (!receiving_ || receive_cancelled_) return;
  services_.ring.cancel(pack(Operation::receive, id_), pack(Operation::ignored));
  receive_cancelled_ = true;
}

bool Connection::wants_input() const {
  if (state_ == State::closing || input_ended_) return false;
  return input_ == nullptr || input_->bytes.size() - input_->at <= kInputBytesMax;
}

void Connection::on_received(const io_uring_cqe& cqe) {
  if ((cqe.flags & IORING_CQE_F_MORE) == 0) {
    receiving_ = false;
    --operations_;
  }
  if (cqe.res > 0) {
    take_input(services_.receive_buffers.received(cqe));
  } else if (cqe.res == 0) {
    input_ended();
  } else if (cqe.res == -ENOBUFS) {
    services_.receive_buffers.ran_out();
  } else if (cqe.res != -ECANCELED && cqe.res != -EINTR) {
    close(true);  // the client is gone: ECONNRESET, ETIMEDOUT
  }
  if ((cqe.flags & IORING_CQE_F_BUFFER) != 0) services_.receive_buffers.give_back(cqe);
  if (!receiving_ && wants_input()) arm_receive();
}

void Connection::take_input(std::span<const char> bytes) {
  const bool is_beginning = untouched_;
  untouched_ = false;
  if (is_beginning && http::is_tls_hello(bytes)) return refuse_tls();
  if (!may_have_more_to_answer()) {
    client_ends_ = false;
    return;
  }
  if (!may_answer() || input_ != nullptr) return stash(bytes);
  if (services_.limits.fair_share) {
    stash(bytes);
    return yield();
  }
  const size_t taken = consume(bytes);
  if (taken < bytes.size() && may_have_more_to_answer()) stash(bytes.subspan(taken));
  if (state_ == State::reading) wait_for_request();
}

void Connection::stash(std::span<const char> bytes) {
  if (input_ == nullptr) input_ = std::make_unique<Input>();
  if (input_->at > kInputBytesMax) input_->bytes.erase(0, std::exchange(input_->at, 0));
  input_->bytes.append(bytes.data(), bytes.size());
  if (input_->bytes.size() - input_->at > kInputBytesMax) cancel_receive();
}

void Connection::input_ended() {
  input_ended_ = true;
  if (state_ == State::lingering) close(false);
  if (state_ == State::reading) wait_for_request();
}

// Whatever is answered, a client that speaks TLS cannot read: it is told by the end of the
// connection, and the administrator, who can help, by the log.
void Connection::refuse_tls() {
  services_.statistics.tls_hellos.add();
  if (services_.tls_notice.due(services_.now_ms)) {
    spdlog::warn(
        "TLS ClientHello from {}; this port speaks plain HTTP: use http:// URLs, or put a proxy "
        "that ends TLS before it (said once an hour; ringserve_tls_hellos_total counts)",
        remote_of(socket_.get(), is_tcp_));
  }
  linger();
}

// A request is complete, or broken, or its client waits to be told whether to send the body.
bool Connection::request_is_answerable() const {
  return parser_->state() != http::RequestParser::State::incomplete ||
         (parser_->in_body() && parser_->request().expects_continue);
}

// Answers the requests in `bytes` until one has to wait; returns how many bytes are done with.
size_t Connection::consume(std::span<const char> bytes) {
  size_t taken = 0;
  while (taken < bytes.size() && may_answer() && !yielding_) {
    if (!has_room()) {
      flush_and_yield();
      continue;
    }
    if (parser_ == nullptr) {
      parser_ = services_.parsers.take();
      parser_->keep_log_fields(services_.log.is_on());
    }
    taken += parser_->feed(bytes.subspan(taken));
    if (!request_is_answerable()) break;
    answer();
  }
  if (taken < bytes.size()) client_ends_ = false;
  flush_later();
  give_back_idle_parser();
  return taken;
}

void Connection::give_back_idle_parser() {
  if (parser_ == nullptr || search_ != nullptr || !parser_->untouched()) return;
  services_.parsers.give_back(std::move(parser_));
}

// After something has ended that input had to wait for.
void Connection::pump() {
  while (state_ == State::reading && !yielding_) {
    if (search_ != nullptr) {
      if (search_->waits()) break;
      auto search = std::move(search_);
      answer_search(*search);
      services_.searches.give_back(std::move(search));
      give_back_idle_parser();
      flush_later();
    } else if (input_ != nullptr) {
      auto input = std::exchange(input_, nullptr);  // answering may end the connection
      const bool shares = services_.limits.fair_share;
      std::span<const char> bytes = std::span<const char>(input->bytes).subspan(input->at);
      if (shares) bytes = bytes.first(std::min(bytes.size(), kTurnInputBytesMax));
      const size_t taken = consume(bytes);
      input->at += taken;
      if (input->at < input->bytes.size()) client_ends_ = false;
      if (input->at < input->bytes.size() && may_have_more_to_answer()) input_ = std::move(input);
      if (shares && input_ != nullptr && taken == bytes.size() && may_answer()) yield();
    } else {
      break;
    }
  }
  if (!receiving_ && wants_input()) arm_receive();
  if (state_ == State::reading) wait_for_request();
}

// --- sending ---

bool Connection::has_room() const {
  if (transfer_ == nullptr) return true;
  return !transfer_->has_file() &&
         transfer_->room() >= http::kReplyHeadBytesMax + send::Transfer::kCopiedBodyBytesMax;
}

send::Transfer& Connection::outgoing() {
  if (transfer_ == nullptr) {
    transfer_ = services_.transfers.take();
    transfer_->socket = socket_.get();
    transfer_->is_tcp = is_tcp_;
    transfer_->owner = owner_bits(id_);
  }
  return *transfer_;
}

void Connection::flush() {
  CHECK(state_ == State::reading);
  if (transfer_ == nullptr) return;
  state_ = State::replying;
  settle(services_.path.advance(*transfer_));
}

// More requests wait behind this reply. If it was a file and went out at once, others get their
// turn before the next one.
void Connection::flush_and_yield() {
  const bool has_file = transfer_ != nullptr && transfer_->has_file();
  flush();
  if (has_file && state_ == State::reading) yield();
}

// What more there is has to wait for the next turn.
void Connection::yield() {
  if (yielding_) return;
  yielding_ = true;
  services_.runnable.push_back(owner_bits(id_));
}

// Replies leave together with those of other connections (Worker::flush_replies): more may be added
// until then, and sends in a row wake a client process once where single ones would wake it again
// and again, an interrupt to another CPU each.
void Connection::flush_later() {
  if (transfer_ == nullptr || flush_pending_ || state_ != State::reading) return;
  flush_pending_ = true;
  services_.to_flush.push_back(owner_bits(id_));
}

void Connection::on_flush() {
  flush_pending_ = false;
  if (state_ != State::reading) return;
  input_ == nullptr ? flush() : flush_and_yield();
  pump();
}

void Connection::settle(send::Outcome outcome) {
  switch (outcome.progress) {
    case send::Progress::done: return transfer_done();
    case send::Progress::again: services_.runnable.push_back(owner_bits(id_)); break;
    case send::Progress::blocked: await_writable(); break;
    case send::Progress::in_flight:
    case send::Progress::unacknowledged:
    case send::Progress::starved: break;
    case send::Progress::failed: report_failure(outcome.error); return close(true);
    case send::Progress::truncated:
      services_.statistics.truncated_files.add();
      spdlog::warn("{}: file truncated while it was being sent; connection reset",
                   log::quoted(transfer_->file().name));
      return close(true);
  }
  watch_sending(outcome.progress);
}

void Connection::await_writable() {
  CHECK(!awaiting_writable_);
  io_uring_sqe* sqe = services_.ring.next_entry();
  io_uring_prep_poll_add(sqe, socket_.get(), POLLOUT);
  io_uring_sqe_set_data64(sqe, pack(Operation::writable, id_));
  awaiting_writable_ = true;
  ++operations_;
}

void Connection::on_writable() {
  awaiting_writable_ = false;
  --operations_;
  on_turn();
}

bool Connection::on_turn() {
  // The turn that yield() asked for is not the transfer's, which may be waiting meanwhile.
  const bool replying = !yielding_ && state_ == State::replying;
  yielding_ = false;
  if (replying) settle(services_.path.advance(*transfer_));
  pump();
  return replying;
}

void Connection::on_path_completed(unsigned tag, const io_uring_cqe& cqe) {
  CHECK(transfer_ != nullptr && transfer_->in_flight > 0);
  if ((cqe.flags & IORING_CQE_F_MORE) == 0) --transfer_->in_flight;
  if (state_ == State::replying) {
    settle(services_.path.completed(*transfer_, tag, cqe));
    pump();
  } else if (transfer_->in_flight == 0) {
    release_transfer();
  }
}

}  // namespace ringserve
