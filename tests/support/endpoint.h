// Where a server listens, as --listen writes it and --print-listen prints it.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "tests/support/unique_fd.h"

namespace support {

struct Endpoint {
  int family = AF_UNSPEC;  // AF_INET, AF_INET6 or AF_UNIX
  std::string host;        // without brackets
  std::uint16_t port = 0;
  std::string path;  // of a Unix socket

  // "127.0.0.1:8080", "[::1]:8080" or "unix:/run/x"; throws when it is none of them.
  static Endpoint parse(std::string_view text);
  std::string text() const;
  // For the Host field of a request.
  std::string authority() const;
};

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};
SocketAddress socket_address(const Endpoint& endpoint);

// A listener of the test itself, to be in the server's way. Port 0 becomes the one it got.
UniqueFd listen_at(Endpoint& endpoint);

// False when the machine cannot bind this address (no IPv6, for instance).
bool can_bind(const Endpoint& endpoint);

// A loopback address that no other test process uses: ports on it are never taken by chance,
// which matters to whoever gives a port back and wants it again.
std::string loopback_address_of_this_process();

}  // namespace support
