// Thin: each verb is one or two system calls, and the look at what they returned. Those that only
// look are in verbs_looking.cc; datagrams, files and the namespace's network have files too.
#include "common/net/verbs.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <iterator>

#include "common/net/require.h"

namespace net::verbs {
namespace {

OwnedFd make_socket(int family, int type) {
  OwnedFd socket(::socket(family, type | SOCK_CLOEXEC, 0));
  require(socket.valid(), "socket");
  return socket;
}

// Where one connects to reach a listener: not to the wildcard.
Address reachable(const Address& listener) {
  if (listener.is_unix() || !Endpoint::of(listener).is_wildcard()) return listener;
  return at(listener.family() == AF_INET6 ? "[::1]:0" : "127.0.0.1:0").with_port(listener.port());
}

void set_timeout(const OwnedFd& socket, int name, std::chrono::milliseconds timeout) {
  const timeval value{timeout.count() / 1000, timeout.count() % 1000 * 1000};
  require(::setsockopt(socket.get(), SOL_SOCKET, name, &value, sizeof value) == 0, "setsockopt");
}

size_t queue_bytes(const OwnedFd& socket, unsigned long request) {
  int bytes = 0;
  require(::ioctl(socket.get(), request, &bytes) == 0, "ioctl");
  return static_cast<size_t>(bytes);
}

}  // namespace

Address at(std::string_view text) { return require(Address::parse(text)); }

Address loopback(uint16_t port) { return at("127.0.0.1:0").with_port(port); }

OwnedFd tcp_socket(int family) { return make_socket(family, SOCK_STREAM); }
OwnedFd udp_socket(int family) { return make_socket(family, SOCK_DGRAM); }

int try_bind(const OwnedFd& socket, const Address& to) {
  return ::bind(socket.get(), to.data(), to.size()) == 0 ? 0 : errno;
}

int try_listen(const OwnedFd& socket, int backlog) {
  return ::listen(socket.get(), backlog) == 0 ? 0 : errno;
}

int try_connect(const OwnedFd& socket, const Address& to) {
  return ::connect(socket.get(), to.data(), to.size()) == 0 ? 0 : errno;
}

void bind_to(const OwnedFd& socket, const Address& to) {
  if (const int error = try_bind(socket, to)) throw_errno("bind " + to.text(), error);
}

OwnedFd listen_on(const Address& to, const ListenOptions& options) {
  OwnedFd listener = tcp_socket(to.family());
  if (options.reuse_address) set_option(listener, SOL_SOCKET, SO_REUSEADDR, 1);
  if (options.reuse_port) set_option(listener, SOL_SOCKET, SO_REUSEPORT, 1);
  if (to.family() == AF_INET6) {
    set_option(listener, IPPROTO_IPV6, IPV6_V6ONLY, options.v6_only ? 1 : 0);
  }
  bind_to(listener, to);
  if (const int error = try_listen(listener, options.backlog)) throw_errno("listen", error);
  return listener;
}

OwnedFd connect_to(const Address& to) {
  OwnedFd socket = tcp_socket(to.family());
  if (const int error = try_connect(socket, to)) throw_errno("connect " + to.text(), error);
  return socket;
}

OwnedFd connect_from(const Address& source, const Address& to, bool late_port) {
  OwnedFd socket = tcp_socket(to.family());
  if (late_port) set_option(socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
  bind_to(socket, source);
  if (const int error = try_connect(socket, to)) throw_errno("connect " + to.text(), error);
  return socket;
}

OwnedFd accept_from(const OwnedFd& listener) {
  OwnedFd accepted(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  require(accepted.valid(), "accept4");
  return accepted;
}

Address local_of(const OwnedFd& socket) { return require(Address::of_socket(socket.get())); }

Address remote_of(const OwnedFd& socket) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  require(::getpeername(socket.get(), address, &size) == 0, "getpeername");
  return Address::of_sockaddr(address, size);
}

Connection open_connection(const OwnedFd& listener) {
  Connection connection;
  connection.client = connect_to(reachable(local_of(listener)));
  connection.server = accept_from(listener);
  return connection;
}

void set_option(const OwnedFd& socket, int level, int name, int value) {
  require(::setsockopt(socket.get(), level, name, &value, sizeof value) == 0, "setsockopt");
}

int option_of(const OwnedFd& socket, int level, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  require(::getsockopt(socket.get(), level, name, &value, &size) == 0, "getsockopt");
  return value;
}

void set_linger(const OwnedFd& socket, bool on, int seconds) {
  const linger value{on ? 1 : 0, seconds};
  require(::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &value, sizeof value) == 0,
          "setsockopt SO_LINGER");
}

void set_nonblocking(const OwnedFd& socket, bool on) {
  const int flags = ::fcntl(socket.get(), F_GETFL);
  require(flags >= 0, "fcntl F_GETFL");
  const int wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
  require(::fcntl(socket.get(), F_SETFL, wanted) == 0, "fcntl F_SETFL");
}

void set_receive_timeout(const OwnedFd& socket, std::chrono::milliseconds timeout) {
  set_timeout(socket, SO_RCVTIMEO, timeout);
}

void set_send_timeout(const OwnedFd& socket, std::chrono::milliseconds timeout) {
  set_timeout(socket, SO_SNDTIMEO, timeout);
}

void send_all(const OwnedFd& socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    require(sent >= 0, "send");
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

int try_send(const OwnedFd& socket, std::string_view bytes) {
  return ::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0 ? errno : 0;
}

std::string receive_some(const OwnedFd& socket, size_t bytes_max) {
  std::string bytes(bytes_max, '\0');
  ssize_t received = 0;
  do {
    received = ::recv(socket.get(), bytes.data(), bytes.size(), 0);
  } while (received < 0 && errno == EINTR);
  require(received >= 0, "recv");
  bytes.resize(static_cast<size_t>(received));
  return bytes;
}

std::string receive_exactly(const OwnedFd& socket, size_t bytes) {
  std::string all;
  while (all.size() < bytes) {
    const std::string part = receive_some(socket, bytes - all.size());
    if (part.empty()) break;
    all += part;
  }
  return all;
}

std::string receive_until_end(const OwnedFd& socket) {
  std::string all;
  for (std::string part = receive_some(socket); !part.empty(); part = receive_some(socket)) {
    all += part;
  }
  return all;
}

int try_receive(const OwnedFd& socket, int flags) {
  char byte = 0;
  return ::recv(socket.get(), &byte, 1, flags | MSG_PEEK) < 0 ? errno : 0;
}

size_t unacknowledged_bytes(const OwnedFd& socket) { return queue_bytes(socket, SIOCOUTQ); }
size_t unread_bytes(const OwnedFd& socket) { return queue_bytes(socket, SIOCINQ); }

size_t fill_send_buffer(const OwnedFd& socket) {
  set_nonblocking(socket);
  const std::string piece(65536, 'x');
  size_t bytes = 0;
  for (;;) {
    const ssize_t sent = ::send(socket.get(), piece.data(), piece.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) return bytes;
    require(sent >= 0, "send");
    bytes += static_cast<size_t>(sent);
  }
}

void send_fin(const OwnedFd& socket) {
  require(::shutdown(socket.get(), SHUT_WR) == 0, "shutdown SHUT_WR");
}

void active_close(OwnedFd& first, OwnedFd& second) {
  send_fin(first);
  receive_until_end(second);
  second.reset();
  receive_until_end(first);
  first.reset();
}

uint16_t leave_time_wait(const OwnedFd& listener) {
  Connection connection = open_connection(listener);
  const uint16_t port = local_of(connection.client).port();
  active_close(connection.client, connection.server);
  return port;
}

void reset_close(OwnedFd& socket) {
  set_linger(socket, true, 0);
  socket.reset();
}

void crash_close(OwnedFd& socket) {
  set_option(socket, IPPROTO_TCP, TCP_REPAIR, 1);
  socket.reset();
}

void deafen(const OwnedFd& socket) {
  sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);  // keep 0 bytes of the packet
  const sock_fprog program{1, &drop};
  require(::setsockopt(socket.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0,
          "setsockopt SO_ATTACH_FILTER");
}

void hear_only(const OwnedFd& socket, uint8_t flags) {
  // The program sees the packet from the TCP header on, whose byte 13 has the flags.
  sock_filter steps[] = {
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, flags, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, ~0U),
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
  const sock_fprog program{std::size(steps), steps};
  require(::setsockopt(socket.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0,
          "setsockopt SO_ATTACH_FILTER");
}

void hear_again(const OwnedFd& socket) { set_option(socket, SOL_SOCKET, SO_DETACH_FILTER, 0); }

}  // namespace net::verbs
