// Only what a request needs of RFC 3986: no user, no escapes decoded. Names are resolved by
// getaddrinfo(3), before the run; nothing is resolved while it goes on.
#include "client/load/url.h"

#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "common/net/owned_fd.h"

namespace ringload {
namespace {

constexpr std::string_view kHttp = "http://";
constexpr std::string_view kUnix = "unix:";
constexpr int kProbeTimeoutMs = 1000;

tl::unexpected<net::Error> bad_url(std::string_view text, const std::string& why) {
  return net::fail(fmt::format("URL '{}': {}", text, why), 0,
                   "write http://host:port/path, http://[::1]:8080/ or unix:/path.sock:/path");
}

bool starts_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

net::Result<Url> parse_unix(Url url) {
  const std::string_view rest = std::string_view(url.text).substr(kUnix.size());
  const size_t colon = rest.find(':');
  url.socket_path = rest.substr(0, colon);
  url.path = colon == std::string_view::npos ? "/" : rest.substr(colon + 1);
  url.host_header = "localhost";
  auto address = net::Address::parse(std::string(kUnix) + url.socket_path);
  if (!address) return tl::unexpected(address.error());
  if (auto checked = check_path(url.path); !checked) return tl::unexpected(checked.error());
  return url;
}

// "host", "host:port", "[v6]", "[v6]:port".
bool split_authority(std::string_view authority, std::string& host, std::string_view& port) {
  size_t colon = 0;
  if (!authority.empty() && authority.front() == '[') {
    const size_t bracket = authority.find(']');
    if (bracket == std::string_view::npos) return false;
    host = authority.substr(1, bracket - 1);
    colon = bracket + 1;
    if (colon < authority.size() && authority[colon] != ':') return false;
  } else {
    colon = std::min(authority.find(':'), authority.size());
    host = authority.substr(0, colon);
    if (authority.substr(colon).find(':', 1) != std::string_view::npos) return false;
  }
  port = colon < authority.size() ? authority.substr(colon + 1) : std::string_view("80");
  return !host.empty();
}

// Whether somebody accepts connections there. The connection is reset, so that it leaves no
// TIME_WAIT behind.
bool accepts_connections(const addrinfo& candidate) {
  const net::OwnedFd fd(
      ::socket(candidate.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return false;
  const linger reset{1, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  if (::connect(fd.get(), candidate.ai_addr, candidate.ai_addrlen) == 0) return true;
  if (errno != EINPROGRESS) return false;
  pollfd waiting{fd.get(), POLLOUT, 0};
  if (::poll(&waiting, 1, kProbeTimeoutMs) != 1) return false;
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
}

}  // namespace

net::Status check_path(std::string_view path) {
  if (path.empty() || path.front() != '/') {
    return net::fail(fmt::format("path '{}' does not begin with '/'", path), 0);
  }
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= ' ' || byte >= 0x7F || c == '#') {
      return net::fail(fmt::format("path '{}' holds a byte 0x{:02x}", path, byte), 0,
                       fmt::format("write it as %{:02X}", byte));
    }
  }
  return {};
}

net::Result<Url> Url::parse(std::string_view text) {
  Url url;
  url.text = text;
  if (starts_with(text, kUnix)) return parse_unix(url);
  if (starts_with(text, "https://")) {
    return net::fail(fmt::format("URL '{}': https is not supported yet", text), 0,
                     "load the plain HTTP port");
  }
  if (!starts_with(text, kHttp)) return bad_url(text, "it does not begin with http://");
  const std::string_view rest = text.substr(kHttp.size());
  const size_t end = std::min(rest.find_first_of("/?#"), rest.size());
  const std::string_view authority = rest.substr(0, end);
  std::string_view port;
  if (authority.find('@') != std::string_view::npos) {
    return bad_url(text, "a user name is not supported; use -H 'Authorization: ...'");
  }
  if (!split_authority(authority, url.host, port))
    return bad_url(text, "the host is missing or malformed");
  const auto [last, error] = std::from_chars(port.data(), port.data() + port.size(), url.port);
  if (error != std::errc() || last != port.data() + port.size() || url.port == 0) {
    return bad_url(text, "the port is not a number from 1 to 65535");
  }
  url.host_header = authority;
  const std::string_view path = rest.substr(end, rest.find('#') - end);
  url.path = starts_with(path, "/") ? std::string(path) : "/" + std::string(path);
  if (auto checked = check_path(url.path); !checked) return tl::unexpected(checked.error());
  return url;
}

net::Result<net::Address> resolve(const Url& url, int family) {
  if (!url.socket_path.empty()) return net::Address::parse(std::string(kUnix) + url.socket_path);
  addrinfo hints{};
  hints.ai_family = family;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error =
      ::getaddrinfo(url.host.c_str(), std::to_string(url.port).c_str(), &hints, &found);
  if (error != 0) {
    return net::fail(fmt::format("host '{}' cannot be resolved: {}", url.host,
                                 error == EAI_SYSTEM ? "system error" : ::gai_strerror(error)),
                     error == EAI_SYSTEM ? errno : 0, "check the name, or write the address");
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> list(found, ::freeaddrinfo);
  const addrinfo* chosen = found;
  if (found->ai_next != nullptr) {
    const addrinfo* candidate = found;
    while (candidate != nullptr && !accepts_connections(*candidate)) candidate = candidate->ai_next;
    if (candidate != nullptr) chosen = candidate;
  }
  return net::Address::of_sockaddr(chosen->ai_addr, chosen->ai_addrlen);
}

}  // namespace ringload
