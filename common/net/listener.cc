// Opens listening sockets. A stale Unix socket is removed only after connect() has shown that
// nobody listens on it; a live one is never touched.
#include "common/net/listener.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <fstream>

#include "common/net/socket_owner.h"

namespace net {
namespace {

// The kernel cuts this to net.core.somaxconn (listen(2)).
constexpr int kBacklogMax = 65535;

tl::unexpected<Error> bind_failed(const Address& address, int error) {
  std::string advice;
  if (error == EADDRINUSE) {
    const std::string owner = describe_listener_owner(address);
    advice = (owner.empty() ? "another process listens there" : "in use by " + owner) +
             "; stop it, or choose another --listen address";
  } else if (error == EADDRNOTAVAIL) {
    advice = "this address is not one of this host's ('ip address' lists them)";
  } else if (error == EACCES && address.is_unix()) {
    advice = "the directory of the socket is not writable for this user";
  } else if (error == EACCES) {
    advice =
        "a port below net.ipv4.ip_unprivileged_port_start needs CAP_NET_BIND_SERVICE: "
        "setcap cap_net_bind_service+ep on the binary, or choose a port from 1024";
  } else if (error == ENOENT && address.is_unix()) {
    advice = "the directory of the socket does not exist";
  }
  return fail("bind " + address.text(), error, advice);
}

std::string advice_for_descriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) return "raise RLIMIT_NOFILE (ulimit -n)";
  return fmt::format("raise RLIMIT_NOFILE (ulimit -n), which is {}", limit.rlim_cur);
}

Result<OwnedFd> open_socket(const Address& address) {
  OwnedFd fd(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) {
    const int error = errno;
    return fail("socket for " + address.text(), error,
                error == EMFILE ? advice_for_descriptors() : "");
  }
  return fd;
}

Status set_flag(int fd, int level, int name, const char* label, const Address& address) {
  const int on = 1;
  if (::setsockopt(fd, level, name, &on, sizeof on) < 0) {
    return fail(fmt::format("setsockopt {} on {}", label, address.text()), errno);
  }
  return {};
}

// tcp(7), TCP_CONGESTION; accepted sockets inherit it.
Status set_congestion_control(int fd, const Address& address, const std::string& wanted) {
  const std::string name = !wanted.empty() ? wanted : address.is_loopback() ? "reno" : "";
  if (name.empty()) return {};
  const auto size = static_cast<socklen_t>(name.size());
  if (::setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name.data(), size) == 0) return {};
  if (wanted.empty()) return {};  // the system's choice works too, only slower
  return fail(fmt::format("congestion control {} on {}", name, address.text()), errno,
              errno == EPERM ? "net.ipv4.tcp_allowed_congestion_control does not list it"
                             : "net.ipv4.tcp_available_congestion_control lists what there is");
}

Result<OwnedFd> bound_tcp_socket(const Address& address, const std::string& congestion,
                                 bool reuse_port) {
  auto fd = open_socket(address);
  if (!fd) return fd;
  Status status = set_flag(fd->get(), SOL_SOCKET, SO_REUSEADDR, "SO_REUSEADDR", address);
  if (status && reuse_port) {
    status = set_flag(fd->get(), SOL_SOCKET, SO_REUSEPORT, "SO_REUSEPORT", address);
  }
  if (status) status = set_flag(fd->get(), IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY", address);
  if (status && address.family() == AF_INET6) {
    status = set_flag(fd->get(), IPPROTO_IPV6, IPV6_V6ONLY, "IPV6_V6ONLY", address);
  }
  if (status) status = set_congestion_control(fd->get(), address, congestion);
  if (!status) return tl::unexpected(status.error());
  if (::bind(fd->get(), address.data(), address.size()) < 0) return bind_failed(address, errno);
  return fd;
}

Status start_listening(int fd, const Address& address) {
  if (::listen(fd, kBacklogMax) < 0) {
    if (errno == EADDRINUSE) return bind_failed(address, errno);
    return fail("listen on " + address.text(), errno);
  }
  return {};
}

// True if `path` is a socket that nobody listens on.
bool is_stale_unix_socket(const Address& address) {
  struct stat facts {};
  if (::lstat(address.unix_path().c_str(), &facts) < 0 || !S_ISSOCK(facts.st_mode)) return false;
  // Non-blocking: where the queue is full, EAGAIN says that somebody listens.
  OwnedFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe.valid()) return false;
  return ::connect(probe.get(), address.data(), address.size()) < 0 && errno == ECONNREFUSED;
}

Result<ListenGroup> listen_on_unix(const Address& address, unsigned count) {
  auto fd = open_socket(address);
  if (!fd) return tl::unexpected(fd.error());
  if (::bind(fd->get(), address.data(), address.size()) < 0) {
    const int error = errno;
    if (error != EADDRINUSE || !is_stale_unix_socket(address)) return bind_failed(address, error);
    if (::unlink(address.unix_path().c_str()) < 0) {
      return fail("unlink stale socket " + address.text(), errno, "remove it by hand");
    }
    if (::bind(fd->get(), address.data(), address.size()) < 0) return bind_failed(address, errno);
  }
  if (auto status = start_listening(fd->get(), address); !status) {
    return tl::unexpected(status.error());
  }
  ListenGroup group{address, {}};
  group.sockets.push_back(std::move(*fd));
  while (group.sockets.size() < count) {
    OwnedFd copy(::fcntl(group.sockets.front().get(), F_DUPFD_CLOEXEC, 0));
    if (!copy.valid()) return fail("duplicate the listener of " + address.text(), errno);
    group.sockets.push_back(std::move(copy));
  }
  return group;
}

// With SO_REUSEPORT a second server of the same user would join the group and silently take half
// of the connections. A bind and listen without it fails if anybody has the port; it also picks
// the port when 0 was asked for.
Result<OwnedFd> listen_alone(const Address& wanted, const std::string& congestion) {
  auto fd = bound_tcp_socket(wanted, congestion, false);
  if (!fd) return fd;
  if (auto status = start_listening(fd->get(), wanted); !status) {
    return tl::unexpected(status.error());
  }
  return fd;
}

}  // namespace

unsigned accept_queue_max(unsigned sockets) {
  int somaxconn = kBacklogMax;
  std::ifstream("/proc/sys/net/core/somaxconn") >> somaxconn;
  return sockets * (static_cast<unsigned>(std::clamp(somaxconn, 1, kBacklogMax)) + 1);
}

Result<ListenGroup> listen_on(const Address& wanted, unsigned count,
                              const std::string& congestion) {
  if (wanted.is_unix()) return listen_on_unix(wanted, count);
  auto alone = listen_alone(wanted, congestion);
  if (!alone) return tl::unexpected(alone.error());
  const auto address = Address::of_socket(alone->get());
  if (!address) return tl::unexpected(address.error());
  ListenGroup group{*address, {}};
  if (count == 1) {
    group.sockets.push_back(std::move(*alone));
    return group;
  }
  alone->reset();  // whoever has connected meanwhile is reset: it is a moment
  while (group.sockets.size() < count) {
    auto fd = bound_tcp_socket(*address, congestion, true);
    if (!fd) return tl::unexpected(fd.error());
    if (auto status = start_listening(fd->get(), *address); !status) {
      return tl::unexpected(status.error());
    }
    group.sockets.push_back(std::move(*fd));
  }
  return group;
}

}  // namespace net
