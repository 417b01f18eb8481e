// Addresses between text and sockaddr. It relies on numeric addresses only, and must never
// resolve a name.
#include "tests/support/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>

namespace support {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";

std::uint16_t parse_port(std::string_view text) {
  const unsigned long port = std::stoul(std::string(text));
  if (port > 65535) throw std::invalid_argument("port " + std::string(text));
  return static_cast<std::uint16_t>(port);
}

}  // namespace

Endpoint Endpoint::parse(std::string_view text) {
  Endpoint endpoint;
  if (text.substr(0, kUnixPrefix.size()) == kUnixPrefix) {
    endpoint.family = AF_UNIX;
    endpoint.path = text.substr(kUnixPrefix.size());
    return endpoint;
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    throw std::invalid_argument("endpoint '" + std::string(text) + "'");
  }
  endpoint.port = parse_port(text.substr(colon + 1));
  endpoint.host = text.substr(0, colon);
  endpoint.family = AF_INET;
  if (endpoint.host.size() >= 2 && endpoint.host.front() == '[' && endpoint.host.back() == ']') {
    endpoint.family = AF_INET6;
    endpoint.host = endpoint.host.substr(1, endpoint.host.size() - 2);
  }
  return endpoint;
}

std::string Endpoint::text() const {
  return family == AF_UNIX ? std::string(kUnixPrefix) + path : authority();
}

std::string Endpoint::authority() const {
  if (family == AF_UNIX) return "localhost";
  const std::string name = family == AF_INET6 ? "[" + host + "]" : host;
  return name + ":" + std::to_string(port);
}

SocketAddress socket_address(const Endpoint& endpoint) {
  SocketAddress address;
  void* raw = &address.storage;
  if (endpoint.family == AF_UNIX) {
    auto* local = static_cast<sockaddr_un*>(raw);
    local->sun_family = AF_UNIX;
    if (endpoint.path.size() >= sizeof local->sun_path) {
      throw std::invalid_argument("too long for a Unix socket: " + endpoint.path);
    }
    std::memcpy(local->sun_path, endpoint.path.c_str(), endpoint.path.size() + 1);
    address.size = sizeof(sockaddr_un);
    return address;
  }
  void* host = nullptr;
  if (endpoint.family == AF_INET6) {
    auto* six = static_cast<sockaddr_in6*>(raw);
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(endpoint.port);
    host = &six->sin6_addr;
    address.size = sizeof(sockaddr_in6);
  } else {
    auto* four = static_cast<sockaddr_in*>(raw);
    four->sin_family = AF_INET;
    four->sin_port = htons(endpoint.port);
    host = &four->sin_addr;
    address.size = sizeof(sockaddr_in);
  }
  if (::inet_pton(endpoint.family, endpoint.host.c_str(), host) != 1) {
    throw std::invalid_argument("not a numeric address: " + endpoint.host);
  }
  return address;
}

UniqueFd listen_at(Endpoint& endpoint) {
  UniqueFd fd(::socket(endpoint.family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const SocketAddress address = socket_address(endpoint);
  if (!fd.valid() || ::bind(fd.get(), address.get(), address.size) != 0 ||
      ::listen(fd.get(), 16) != 0) {
    throw std::system_error(errno, std::generic_category(), "listen at " + endpoint.text());
  }
  if (endpoint.family != AF_UNIX) {
    SocketAddress bound;
    bound.size = sizeof bound.storage;
    ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&bound.storage), &bound.size);
    // sin_port and sin6_port are at the same place.
    endpoint.port = ntohs(reinterpret_cast<const sockaddr_in*>(&bound.storage)->sin_port);
  }
  return fd;
}

bool can_bind(const Endpoint& endpoint) {
  const UniqueFd fd(::socket(endpoint.family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const SocketAddress address = socket_address(endpoint);
  return fd.valid() && ::bind(fd.get(), address.get(), address.size) == 0;
}

std::string loopback_address_of_this_process() {
  const unsigned pid = static_cast<unsigned>(::getpid());
  return "127." + std::to_string(1 + (pid >> 16) % 250) + "." + std::to_string((pid >> 8) & 0xff) +
         "." + std::to_string(1 + (pid & 0xff) % 254);
}

}  // namespace support
