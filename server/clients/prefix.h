// Who a client is, as far as limits are concerned: its IPv4 address, or the /64 of its IPv6
// address, since whoever has one address of a /64 has all of them (RFC 6177). Pure.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>

namespace ringserve::clients {

struct Prefix {
  enum class Kind : uint8_t {
    ipv4,        // also where it arrives as ::ffff:a.b.c.d
    ipv6,        // the first 64 bits
    link_local,  // fe80::/10, where all hosts of a link share the /64: the last 64 bits
  };
  Kind kind = Kind::ipv4;
  uint64_t bits = 0;  // in host order

  // Nothing for what is neither IPv4 nor IPv6.
  static std::optional<Prefix> of(const sockaddr* address, socklen_t size);
  // Of the other end of a connected socket; nothing if the client has reset it already.
  static std::optional<Prefix> of_peer(int socket);

  // "192.0.2.1", "2001:db8::/64", "fe80::1".
  std::string text() const;

  friend bool operator==(const Prefix&, const Prefix&) = default;
};

}  // namespace ringserve::clients
