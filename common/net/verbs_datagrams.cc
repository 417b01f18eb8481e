// The verbs of verbs.h for datagrams.
#include <sys/socket.h>

#include <cerrno>

#include "common/net/require.h"
#include "common/net/verbs.h"

namespace net::verbs {
OwnedFd udp_at(const Address& to) {
  OwnedFd socket = udp_socket(to.family());
  bind_to(socket, to);
  return socket;
}

void send_to(const OwnedFd& socket, const Address& to, std::string_view bytes) {
  const ssize_t sent = ::sendto(socket.get(), bytes.data(), bytes.size(), 0, to.data(), to.size());
  if (sent < 0) throw_errno("sendto " + to.text(), errno);
}

Datagram receive_datagram(const OwnedFd& socket, size_t bytes_max) {
  Datagram datagram{std::string(bytes_max, '\0'), {}, false};
  sockaddr_storage from{};
  iovec memory{datagram.bytes.data(), datagram.bytes.size()};
  msghdr message{};
  message.msg_name = &from;
  message.msg_namelen = sizeof from;
  message.msg_iov = &memory;
  message.msg_iovlen = 1;
  const ssize_t received = ::recvmsg(socket.get(), &message, 0);
  if (received < 0) throw_errno("recvmsg", errno);
  datagram.bytes.resize(static_cast<size_t>(received));
  datagram.from = Address::of_sockaddr(reinterpret_cast<sockaddr*>(&from), message.msg_namelen);
  datagram.is_truncated = (message.msg_flags & MSG_TRUNC) != 0;
  return datagram;
}

void forget_peer(const OwnedFd& socket) {
  const sockaddr nobody{AF_UNSPEC, {}};
  if (::connect(socket.get(), &nobody, sizeof nobody) != 0) throw_errno("connect AF_UNSPEC", errno);
}

}  // namespace net::verbs
