// Reads and writes files below /proc/sys, which must be mounted. It interprets numbers and lists
// of ports; what they mean is the caller's business. It must never change what it was not asked to.
#include "common/net/sysctl.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "common/net/owned_fd.h"

namespace net {
namespace {

std::string path_of(std::string_view name) {
  std::string path = "/proc/sys/" + std::string(name);
  std::replace(path.begin(), path.end(), '.', '/');
  return path;
}

template <typename Number>
std::optional<Number> number_in(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

tl::unexpected<Error> unreadable(std::string_view name, std::string_view text) {
  return fail(fmt::format("read {}: '{}' is not what it should hold", path_of(name), text), EINVAL);
}

std::string write_advice(int errno_value) {
  if (errno_value == EACCES || errno_value == EPERM) {
    return "run as root, or in a private network namespace (unshare -Urn)";
  }
  if (errno_value == EROFS) return "/proc/sys is mounted read-only here, as containers do";
  if (errno_value == ENOENT) return "this kernel, or this namespace, does not have it";
  return {};
}

}  // namespace

Result<std::string> read_sysctl(std::string_view name) {
  const std::string path = path_of(name);
  const OwnedFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return fail("open " + path, errno);
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t got = ::read(file.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail("read " + path, errno);
    if (got == 0) break;
    text.append(buffer, static_cast<size_t>(got));
  }
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

Result<int64_t> read_sysctl_int(std::string_view name) {
  const Result<std::string> text = read_sysctl(name);
  if (!text) return tl::unexpected(text.error());
  const auto value = number_in<int64_t>(*text);
  if (!value) return unreadable(name, *text);
  return *value;
}

Result<PortRange> read_sysctl_port_range(std::string_view name) {
  const Result<std::string> text = read_sysctl(name);
  if (!text) return tl::unexpected(text.error());
  const std::string_view view = *text;
  const size_t gap = view.find_first_of(" \t");
  const size_t second = view.find_first_not_of(" \t", gap);
  if (gap == std::string_view::npos || second == std::string_view::npos) {
    return unreadable(name, *text);
  }
  const auto first = number_in<uint16_t>(view.substr(0, gap));
  const auto last = number_in<uint16_t>(view.substr(second));
  if (!first || !last || *first > *last) return unreadable(name, *text);
  return PortRange{*first, *last};
}

Result<PortSet> read_sysctl_ports(std::string_view name) {
  const Result<std::string> text = read_sysctl(name);
  if (!text) return tl::unexpected(text.error());
  Result<PortSet> ports = parse_ports(*text);
  if (!ports) return unreadable(name, *text);
  return ports;
}

Result<PortSet> parse_ports(std::string_view text) {
  PortSet ports;
  for (std::string_view rest = text; !rest.empty();) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view item = rest.substr(0, comma);
    const size_t dash = item.find('-');
    const auto first = number_in<uint16_t>(item.substr(0, dash));
    const auto last =
        dash == std::string_view::npos ? first : number_in<uint16_t>(item.substr(dash + 1));
    if (!first || !last || *first > *last) {
      return fail(fmt::format("ports '{}': '{}' is no port and no range", text, item), EINVAL,
                  "write 8080,9000-9010");
    }
    for (unsigned port = *first; port <= *last; ++port) ports.set(port);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return ports;
}

Status write_sysctl(std::string_view name, std::string_view value) {
  const std::string path = path_of(name);
  const OwnedFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.valid()) return fail("open " + path + " for writing", errno, write_advice(errno));
  // One write: the kernel takes each write(2) as a whole value (proc_sys(5)).
  const ssize_t written = ::write(file.get(), value.data(), value.size());
  if (written < 0) {
    return fail(fmt::format("write '{}' to {}", value, path), errno, write_advice(errno));
  }
  if (static_cast<size_t>(written) != value.size()) {
    return fail(fmt::format("write '{}' to {}: only {} bytes taken", value, path, written), EIO);
  }
  return {};
}

}  // namespace net
