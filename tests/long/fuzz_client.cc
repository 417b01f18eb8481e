// Non-blocking, with a step for each event. A client that breaks off closes its socket with input
// unread or with SO_LINGER, so that the server sees a reset.
#include "tests/long/fuzz_client.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>

namespace fuzz {
namespace {

std::system_error failure(const char* what) { return {errno, std::generic_category(), what}; }

bool is_gone(int error) { return error == ECONNRESET || error == EPIPE; }

void wait_for(int epoll, int operation, int fd, uint32_t events, Client* client) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = client;
  if (::epoll_ctl(epoll, operation, fd, &event) != 0) throw failure("epoll_ctl");
}

support::UniqueFd connected(const support::Endpoint& endpoint) {
  support::UniqueFd fd(::socket(endpoint.family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) throw failure("socket");
  const support::SocketAddress address = support::socket_address(endpoint);
  // Blocking: the accept queue is long, and a full one must not be taken for an answer.
  if (::connect(fd.get(), address.get(), address.size) != 0) throw failure("connect");
  return fd;
}

}  // namespace

Client::Client(uint64_t number, Script script, const support::Endpoint& endpoint, int epoll)
    : number_(number), script_(std::move(script)), epoll_(epoll), socket_(connected(endpoint)) {
  if (endpoint.family != AF_UNIX) {
    // A client's TIME_WAIT would use up its ports: whoever ends first resets.
    const ::linger at_once{1, 0};
    if (::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) != 0) {
      throw failure("setsockopt SO_LINGER");
    }
  }
  wait_for(epoll_, EPOLL_CTL_ADD, socket_.get(), EPOLLIN | EPOLLOUT, this);
}

void Client::go_on() {
  if (!said_all_) send_piece();
  if (!ended()) receive();
}

void Client::send_piece() {
  const bool breaks_off = script_.end == End::reset;
  const size_t end = std::min(script_.cuts[piece_], breaks_off ? script_.end_bytes : SIZE_MAX);
  const ssize_t sent = ::send(socket_.get(), script_.bytes.data() + sent_bytes_, end - sent_bytes_,
                              MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0) {
    // The server has refused what came before, and takes no more; its answer may still be there.
    if (is_gone(errno)) {
      is_reset_ = true;  // recv(2) does not say it again
      return all_said();
    }
    if (errno == EAGAIN) return;
    throw failure("send");
  }
  sent_bytes_ += static_cast<size_t>(sent);
  if (sent_bytes_ < end) return;
  if (breaks_off && sent_bytes_ == script_.end_bytes) return end_by_client();
  if (++piece_ == script_.cuts.size()) all_said();
}

void Client::all_said() {
  said_all_ = true;
  if (script_.end == End::reset) return end_by_client();
  if (::shutdown(socket_.get(), SHUT_WR) != 0 && errno != ENOTCONN) {
    throw failure("shutdown");
  }
  wait_for(epoll_, EPOLL_CTL_MOD, socket_.get(), EPOLLIN, this);
}

void Client::receive() {
  std::array<char, 64 * 1024> buffer;
  const size_t room = script_.end == End::deaf
                          ? std::min(buffer.size(), script_.end_bytes + 1 - received_bytes_)
                          : buffer.size();
  const ssize_t got = ::recv(socket_.get(), buffer.data(), room, MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return;
  if (got < 0 && !is_gone(errno)) throw failure("recv");
  if (got <= 0) {
    // A client that went on behind a refusal may lose the answer to a reset.
    is_reset_ |= got < 0;
    if (is_reset_ && !script_.may_be_reset) throw std::runtime_error("reset by the server");
    responses_.end(!is_reset_ && script_.end == End::half_close);
    return end_by_client();
  }
  received_bytes_ += static_cast<size_t>(got);
  responses_.feed({buffer.data(), static_cast<size_t>(got)});
  if (script_.end == End::deaf && received_bytes_ > script_.end_bytes) end_by_client();
}

void Client::end_by_client() { socket_.reset(); }

}  // namespace fuzz
