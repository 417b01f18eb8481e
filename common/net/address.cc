// Addresses as text: inet_pton(3) and inet_ntop(3), never a resolver.
#include "common/net/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <charconv>
#include <cstring>

#include "common/check.h"

namespace net {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";

tl::unexpected<Error> bad_address(std::string_view text, std::string why) {
  return fail(fmt::format("address '{}': {}", text, why), 0,
              "write 127.0.0.1:8080, [::1]:8080, 0.0.0.0:80 or unix:/absolute/path");
}

}  // namespace

Result<Address> Address::parse(std::string_view text) {
  Address address;
  if (text.substr(0, kUnixPrefix.size()) == kUnixPrefix) {
    const std::string path(text.substr(kUnixPrefix.size()));
    auto* un = reinterpret_cast<sockaddr_un*>(&address.storage_);
    if (path.empty() || path.front() != '/') return bad_address(text, "the path is not absolute");
    if (path.size() >= sizeof un->sun_path) {
      return bad_address(text,
                         fmt::format("the path is longer than {} bytes", sizeof un->sun_path - 1));
    }
    un->sun_family = AF_UNIX;
    std::memcpy(un->sun_path, path.c_str(), path.size() + 1);
    address.size_ = sizeof *un;
    return address;
  }

  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad_address(text, "the port is missing");
  const std::string_view digits = text.substr(colon + 1);
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size()) {
    return bad_address(text, "the port is not a number from 0 to 65535");
  }

  std::string host(text.substr(0, colon));
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    auto* in6 = reinterpret_cast<sockaddr_in6*>(&address.storage_);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(port);
    if (::inet_pton(AF_INET6, host.c_str(), &in6->sin6_addr) != 1) {
      return bad_address(text, "not an IPv6 address");
    }
    address.size_ = sizeof *in6;
    return address;
  }
  auto* in = reinterpret_cast<sockaddr_in*>(&address.storage_);
  in->sin_family = AF_INET;
  in->sin_port = htons(port);
  if (::inet_pton(AF_INET, host.c_str(), &in->sin_addr) != 1) {
    return bad_address(text, host.find(':') != std::string::npos
                                 ? "an IPv6 address stands in brackets"
                                 : "not an IPv4 address");
  }
  address.size_ = sizeof *in;
  return address;
}

Result<Address> Address::of_socket(int fd) {
  Address address;
  address.size_ = sizeof address.storage_;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address.storage_), &address.size_) < 0) {
    return fail("getsockname", errno);
  }
  return address;
}

Address Address::of_sockaddr(const sockaddr* address, socklen_t size) {
  CHECK(size <= sizeof(sockaddr_storage));
  Address copy;
  std::memcpy(&copy.storage_, address, size);
  copy.size_ = size;
  return copy;
}

Result<Address> Address::parse_host(std::string_view host) {
  const bool ipv6 = host.find(':') != std::string_view::npos;
  return parse(ipv6 ? fmt::format("[{}]:0", host) : fmt::format("{}:0", host));
}

bool Address::is_loopback() const {
  if (family() == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(storage_);
    return ntohl(in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
  }
  if (family() == AF_INET6) {
    const auto& in6 = reinterpret_cast<const sockaddr_in6&>(storage_);
    return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
  }
  return false;
}

uint16_t Address::port() const {
  if (family() == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in&>(storage_).sin_port);
  if (family() == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(storage_).sin6_port);
  return 0;
}

std::string Address::unix_path() const {
  return is_unix() ? reinterpret_cast<const sockaddr_un&>(storage_).sun_path : std::string();
}

std::string Address::host_text() const {
  char host[INET6_ADDRSTRLEN] = {};
  if (family() == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(storage_).sin_addr, host,
                sizeof host);
  } else if (family() == AF_INET6) {
    ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(storage_).sin6_addr, host,
                sizeof host);
  }
  return host;
}

std::string Address::text() const {
  if (is_unix()) return std::string(kUnixPrefix) + unix_path();
  if (family() == AF_INET6) return fmt::format("[{}]:{}", host_text(), port());
  return fmt::format("{}:{}", host_text(), port());
}

Address Address::with_port(uint16_t port) const {
  Address copy = *this;
  if (family() == AF_INET) {
    reinterpret_cast<sockaddr_in&>(copy.storage_).sin_port = htons(port);
  } else if (family() == AF_INET6) {
    reinterpret_cast<sockaddr_in6&>(copy.storage_).sin6_port = htons(port);
  }
  return copy;
}

}  // namespace net
