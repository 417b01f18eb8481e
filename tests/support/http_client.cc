// A client on a non-blocking socket and poll(2). It relies on the strict parser for what it
// returns, and must never wait without a deadline or retry what failed.
#include "tests/support/http_client.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <ostream>
#include <system_error>

#include "tests/support/patience.h"

namespace support {
namespace {

constexpr std::size_t kHeadBytesMax = 16384;

std::system_error failure(const std::string& what) {
  return {errno, std::generic_category(), what};
}

void wait_for(int fd, short events, const Deadline& deadline, const char* what) {
  pollfd waiting{fd, events, 0};
  int ready = 0;
  do {
    ready = ::poll(&waiting, 1, deadline.left_ms());
  } while (ready < 0 && errno == EINTR);
  if (ready < 0) throw failure("poll");
  if (ready == 0) throw ClientError(std::string("deadline passed: ") + what);
}

bool is_reset(int error) { return error == ECONNRESET || error == EPIPE; }

void set_option(int fd, int level, int name, int value) {
  if (::setsockopt(fd, level, name, &value, sizeof value) != 0) throw failure("setsockopt");
}

UniqueFd connected(const Endpoint& endpoint, const ClientOptions& options) {
  UniqueFd fd(::socket(endpoint.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) throw failure("socket");
  if (options.receive_buffer_bytes > 0) {
    // Before connect: afterwards the window has already been offered.
    set_option(fd.get(), SOL_SOCKET, SO_RCVBUF, options.receive_buffer_bytes);
  }
  if (!options.source.empty()) {
    const SocketAddress source = socket_address({endpoint.family, options.source, 0, ""});
    if (::bind(fd.get(), source.get(), source.size) != 0) throw failure("bind " + options.source);
  }
  const SocketAddress address = socket_address(endpoint);
  const Deadline deadline;
  while (::connect(fd.get(), address.get(), address.size) != 0) {
    if (errno == EISCONN) break;
    // EAGAIN: the backlog of a Unix socket is full, which poll cannot await.
    if (errno != EINPROGRESS && errno != EALREADY && errno != EAGAIN) throw failure("connect");
    if (deadline.passed()) throw ClientError("deadline passed: connect");
    if (errno == EAGAIN) continue;
    wait_for(fd.get(), POLLOUT, deadline, "connect");
  }
  if (endpoint.family != AF_UNIX) set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  return fd;
}

}  // namespace

std::ostream& operator<<(std::ostream& out, Ending ending) {
  return out << (ending == Ending::kReset ? "reset" : "end of file");
}

HttpClient::HttpClient(const Endpoint& endpoint, ClientOptions options)
    : socket_(connected(endpoint, options)) {}

bool HttpClient::send_if_possible(std::string_view bytes) {
  const Deadline deadline;
  while (!bytes.empty()) {
    const ssize_t n = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
    } else if (is_reset(errno)) {
      return false;
    } else if (errno == EAGAIN) {
      wait_for(socket_.get(), POLLOUT, deadline, "send");
    } else if (errno != EINTR) {
      throw failure("send");
    }
  }
  return true;
}

void HttpClient::send(std::string_view bytes) {
  if (!send_if_possible(bytes)) throw ConnectionReset("reset while sending");
}

void HttpClient::send_byte_by_byte(std::string_view bytes) {
  for (const char& byte : bytes) send({&byte, 1});
}

void HttpClient::half_close() {
  if (::shutdown(socket_.get(), SHUT_WR) != 0) throw failure("shutdown");
}

void HttpClient::cut() {
  const linger at_once{1, 0};
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  socket_.reset();
}

HttpClient::Received HttpClient::receive_into(char* to, std::size_t room, std::size_t& got) {
  const Deadline deadline;
  for (;;) {
    const ssize_t n = ::recv(socket_.get(), to, room, 0);
    if (n > 0) {
      got = static_cast<std::size_t>(n);
      return Received::kBytes;
    }
    if (n == 0) return Received::kEnd;
    if (is_reset(errno)) return Received::kReset;
    if (errno == EAGAIN) {
      wait_for(socket_.get(), POLLIN, deadline, "receive");
    } else if (errno != EINTR) {
      throw failure("recv");
    }
  }
}

void HttpClient::receive_more() {
  char chunk[16384];
  std::size_t got = 0;
  switch (receive_into(chunk, sizeof chunk, got)) {
    case Received::kBytes: buffer_.append(chunk, got); return;
    case Received::kEnd:
      throw ConnectionEnded("end of file after " + std::to_string(buffer_.size()) + " bytes");
    case Received::kReset:
      throw ConnectionReset("reset after " + std::to_string(buffer_.size()) + " bytes");
  }
}

Response HttpClient::read_head() {
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (buffer_.size() > kHeadBytesMax) throw ProtocolError("an endless response head");
    receive_more();
  }
  Response response = parse_head(std::string_view(buffer_).substr(0, end + 4));
  buffer_.erase(0, end + 4);
  return response;
}

std::string HttpClient::read_exactly(std::uint64_t size) {
  std::string bytes = buffer_.substr(0, size);
  buffer_.erase(0, bytes.size());
  std::size_t done = bytes.size();
  bytes.resize(size);
  while (done < size) {
    std::size_t got = 0;
    const Received what = receive_into(bytes.data() + done, size - done, got);
    done += got;
    const std::string progress = std::to_string(done) + " of " + std::to_string(size) + " bytes";
    if (what == Received::kEnd) throw ConnectionEnded("end of file after " + progress);
    if (what == Received::kReset) throw ConnectionReset("reset after " + progress);
  }
  return bytes;
}

Response HttpClient::read_response(std::string_view method) {
  Response response = read_head();
  const bool bodiless = response.status < 200 || response.status == 204 || response.status == 304;
  if (!bodiless && method != "HEAD") response.body = read_exactly(response.content_length());
  return response;
}

Remainder HttpClient::read_to_end() {
  Remainder rest;
  rest.bytes.swap(buffer_);
  char chunk[65536];
  for (;;) {
    std::size_t got = 0;
    const Received what = receive_into(chunk, sizeof chunk, got);
    rest.bytes.append(chunk, got);
    if (what == Received::kReset) rest.ending = Ending::kReset;
    if (what != Received::kBytes) return rest;
  }
}

bool HttpClient::wait_readable_ms(int patience_ms) const {
  pollfd waiting{socket_.get(), POLLIN, 0};
  return !buffer_.empty() || ::poll(&waiting, 1, patience_ms) > 0;
}

Response HttpClient::exchange(std::string_view method, std::string_view target,
                              const Headers& headers) {
  send(request(method, target, headers));
  return read_response(method);
}

TcpFacts HttpClient::tcp_facts() const {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(socket_.get(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0) {
    throw failure("TCP_INFO");
  }
  return {info.tcpi_data_segs_in, info.tcpi_data_segs_out};
}

std::uint16_t HttpClient::local_port() const {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw failure("getsockname");
  }
  return ntohs(address.sin_port);
}

bool accepts_connections(const Endpoint& endpoint) {
  const UniqueFd fd(::socket(endpoint.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const SocketAddress address = socket_address(endpoint);
  if (::connect(fd.get(), address.get(), address.size) == 0) return true;
  if (errno != EINPROGRESS) return false;
  wait_for(fd.get(), POLLOUT, Deadline(), "an answer to a connection attempt");
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  return error == 0;
}

}  // namespace support
