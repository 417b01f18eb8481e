// Written here rather than linked: libsystemd would bring its dependencies for these lines, and the
// protocol is promised to stay (sd_listen_fds(3), "Notes").
#include "server/process/inherited.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <optional>

namespace ringserve::process {
namespace {

constexpr const char* kAdvice =
    "in the socket unit, use ListenStream= with Accept=no, and nothing else";

std::string take_variable(const char* name) {
  const char* value = ::getenv(name);
  std::string text = value == nullptr ? "" : value;
  ::unsetenv(name);
  return text;
}

std::optional<int> number_in(const std::string& text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0) return {};
  return number;
}

std::vector<std::string> split_names(const std::string& text) {
  std::vector<std::string> names(text.empty() ? 0 : 1);
  for (const char c : text) {
    if (c == ':') {
      names.emplace_back();
    } else {
      names.back() += c;
    }
  }
  return names;
}

int option_of(int fd, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  return ::getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

net::Result<Inherited> take_one(int fd, std::string name) {
  const std::string what = fmt::format("LISTEN_FDS: descriptor {} ({})", fd, name);
  if (::fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
    return net::fail(what, errno, "LISTEN_FDS announces more descriptors than there are");
  }
  net::OwnedFd socket(fd);
  if (option_of(fd, SO_TYPE) != SOCK_STREAM || option_of(fd, SO_ACCEPTCONN) != 1) {
    return net::fail(what + " is no listening stream socket", 0, kAdvice);
  }
  // Who had it before may have wanted it non-blocking; the ring waits for connections itself.
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0) return net::fail(what, errno);
  auto address = net::Address::of_socket(fd);
  if (!address) return tl::unexpected(address.error());
  return Inherited{std::move(socket), *address, std::move(name)};
}

}  // namespace

net::Result<std::vector<Inherited>> take_inherited() {
  const std::string pid_text = take_variable("LISTEN_PID");
  const std::string count_text = take_variable("LISTEN_FDS");
  const std::vector<std::string> names = split_names(take_variable("LISTEN_FDNAMES"));
  std::vector<Inherited> sockets;
  if (count_text.empty() || number_in(pid_text) != ::getpid()) return sockets;  // for another one
  const auto count = number_in(count_text);
  if (!count) return net::fail("LISTEN_FDS=" + count_text, 0, "it must be a number");
  for (int i = 0; i < *count; ++i) {
    const auto index = static_cast<size_t>(i);
    auto one = take_one(kFirstInherited + i, index < names.size() ? names[index] : "unknown");
    if (!one) return tl::unexpected(one.error());
    sockets.push_back(std::move(*one));
  }
  return sockets;
}

}  // namespace ringserve::process
