// The state machine: reading, replying, reading ..., at last lingering. It relies on a non-blocking
// socket and on its caller for deadlines. While a reply is under way nothing further is read, so
// that a client that asks and does not listen costs one reply's memory.
#include "server/admin/client.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace ringserve::admin {

Client::Client(net::OwnedFd socket, int64_t now_ms)
    : socket_(std::move(socket)), deadline_ms_(now_ms + kIdleMax_ms) {}

short Client::events() const { return state_ == State::replying ? POLLOUT : POLLIN; }

bool Client::advance(Responder& responder, int64_t now_ms) {
  if (state_ != State::replying) {
    const Progress progress = receive();
    if (progress == Progress::blocked) return true;
    if (progress == Progress::broken) return false;
  }
  if (state_ == State::lingering) {
    received_.clear();
    return true;
  }
  for (;;) {
    if (state_ == State::replying) {
      const Progress progress = send();
      if (progress == Progress::blocked) return true;
      if (progress == Progress::broken || !end_reply(now_ms)) return false;
      if (state_ == State::lingering) return true;
    }
    if (!answer_received(responder, now_ms)) return true;
  }
}

// Appends to received_; broken: the peer has closed or is gone.
Client::Progress Client::receive() {
  char bytes[kReadBytes];
  ssize_t got = 0;
  do {
    got = ::recv(socket_.get(), bytes, sizeof bytes, MSG_DONTWAIT);
  } while (got < 0 && errno == EINTR);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return Progress::blocked;
  if (got <= 0) return Progress::broken;
  received_.append(bytes, static_cast<size_t>(got));
  return Progress::done;
}

Client::Progress Client::send() {
  while (sent_bytes_ < reply_.size()) {
    const ssize_t sent = ::send(socket_.get(), reply_.data() + sent_bytes_,
                                reply_.size() - sent_bytes_, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return Progress::blocked;
    if (sent < 0) return Progress::broken;
    sent_bytes_ += static_cast<size_t>(sent);
  }
  return Progress::done;
}

// Takes the next request out of received_; false: it is not complete, there is nothing to send.
bool Client::answer_received(Responder& responder, int64_t now_ms) {
  if (received_.empty()) return false;
  const bool started = parser_.started();
  received_.erase(0, parser_.feed(received_));
  const http::Request& request = parser_.request();
  if (parser_.has_body()) {
    // No page has a use for a body; 413 or 405 is also an answer to Expect: 100-continue. How much
    // of the body is there, and whether it is well-formed, must make no difference.
    const bool is_read =
        request.method == http::Method::get || request.method == http::Method::head;
    begin_reply(is_read ? responder.refusal(request, 413) : responder.reply(request, false, now_ms),
                false, now_ms);
    return true;
  }
  if (parser_.state() == http::RequestParser::State::failed) {
    begin_reply(responder.refusal(request, parser_.error_status()), false, now_ms);
    return true;
  }
  if (parser_.state() == http::RequestParser::State::incomplete) {
    if (!started && parser_.started()) deadline_ms_ = now_ms + kRequestMax_ms;
    return false;
  }
  begin_reply(responder.reply(request, request.keep_alive, now_ms), request.keep_alive, now_ms);
  parser_.reset();
  return true;
}

void Client::begin_reply(std::string reply, bool keep_alive, int64_t now_ms) {
  reply_ = std::move(reply);
  sent_bytes_ = 0;
  keep_alive_ = keep_alive;
  state_ = State::replying;
  deadline_ms_ = now_ms + kReplyMax_ms;
}

// False: the socket is broken.
bool Client::end_reply(int64_t now_ms) {
  reply_.clear();
  if (keep_alive_) {
    state_ = State::reading;
    deadline_ms_ = now_ms + kIdleMax_ms;
    return true;
  }
  // Closing at once, with input unread, would send a reset and destroy the reply.
  state_ = State::lingering;
  received_.clear();
  deadline_ms_ = now_ms + kLingerMax_ms;
  return ::shutdown(socket_.get(), SHUT_WR) == 0;
}

}  // namespace ringserve::admin
