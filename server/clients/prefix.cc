// Bytes of socket addresses; nothing is kept.
#include "server/clients/prefix.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <array>
#include <cstring>

namespace ringserve::clients {
namespace {

constexpr unsigned kHalfBytes = 8;  // of an IPv6 address

uint64_t half_at(const in6_addr& address, unsigned first) {
  uint64_t bits = 0;
  for (unsigned i = 0; i < kHalfBytes; ++i) bits = bits << 8 | address.s6_addr[first + i];
  return bits;
}

void put_half(uint64_t bits, unsigned first, in6_addr& address) {
  for (unsigned i = 0; i < kHalfBytes; ++i) {
    address.s6_addr[first + i] = static_cast<uint8_t>(bits >> (8 * (kHalfBytes - 1 - i)));
  }
}

Prefix of_ipv6(const in6_addr& address) {
  constexpr uint64_t kIpv4Bits = 0xFFFFFFFF;
  if (IN6_IS_ADDR_V4MAPPED(&address)) {
    return {Prefix::Kind::ipv4, half_at(address, kHalfBytes) & kIpv4Bits};
  }
  if (IN6_IS_ADDR_LINKLOCAL(&address)) {
    return {Prefix::Kind::link_local, half_at(address, kHalfBytes)};
  }
  return {Prefix::Kind::ipv6, half_at(address, 0)};
}

}  // namespace

std::optional<Prefix> Prefix::of(const sockaddr* address, socklen_t size) {
  if (size >= sizeof(sockaddr_in) && address->sa_family == AF_INET) {
    sockaddr_in ipv4{};
    std::memcpy(&ipv4, address, sizeof ipv4);
    return Prefix{Kind::ipv4, ntohl(ipv4.sin_addr.s_addr)};
  }
  if (size >= sizeof(sockaddr_in6) && address->sa_family == AF_INET6) {
    sockaddr_in6 ipv6{};
    std::memcpy(&ipv6, address, sizeof ipv6);
    return of_ipv6(ipv6.sin6_addr);
  }
  return std::nullopt;
}

std::optional<Prefix> Prefix::of_peer(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::getpeername(socket, generic, &size) < 0) return std::nullopt;
  return of(generic, size);
}

std::string Prefix::text() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (kind == Kind::ipv4) {
    const in_addr address{htonl(static_cast<uint32_t>(bits))};
    return ::inet_ntop(AF_INET, &address, text.data(), text.size());
  }
  in6_addr address{};
  if (kind == Kind::link_local) {
    address.s6_addr[0] = 0xFE;
    address.s6_addr[1] = 0x80;
    put_half(bits, kHalfBytes, address);
    return ::inet_ntop(AF_INET6, &address, text.data(), text.size());
  }
  put_half(bits, 0, address);
  return std::string(::inet_ntop(AF_INET6, &address, text.data(), text.size())) + "/64";
}

}  // namespace ringserve::clients
