// A source is bound with IP_BIND_ADDRESS_NO_PORT, so that connect() chooses the port and each
// destination has the whole range; bind() alone would take the port for all destinations (ip(7)).
// IP_LOCAL_PORT_RANGE makes connect() search the range in one pass instead of even ports first,
// then odd ones: where most are taken that halves the search (inet_hashtables.c, Linux 6.8).
#include "client/load/engine/connector.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <fstream>

namespace ringload {
namespace {

#ifndef IP_LOCAL_PORT_RANGE
constexpr int IP_LOCAL_PORT_RANGE = 51;
#endif

net::Status bind_source(int fd, const net::Address& source) {
  const int on = 1;
  if (::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) < 0) {
    return net::fail("setsockopt(IP_BIND_ADDRESS_NO_PORT)", errno);
  }
  if (::bind(fd, source.data(), source.size()) < 0) {
    return net::fail(
        fmt::format("bind to --source {}", source.host_text()), errno,
        errno == EADDRNOTAVAIL ? "it is not an address of this host (ip address)" : "");
  }
  return {};
}

uint32_t read_port_range() {
  uint32_t low = 0;
  uint32_t high = 0;
  std::ifstream("/proc/sys/net/ipv4/ip_local_port_range") >> low >> high;
  return high << 16 | low;
}

}  // namespace

Connector::Connector(const Plan& plan, unsigned first_source)
    : sources_(plan.sources),
      many_connections_(plan.requests_per_connection != 0),
      next_source_(first_source) {
  if (many_connections_) port_range_ = read_port_range();
}

net::Result<net::OwnedFd> Connector::open(const Target& target) {
  net::OwnedFd fd(::socket(target.address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return net::fail("socket", errno);
  if (target.address.is_unix()) return fd;
  const int on = 1;
  // Pipelined requests must not wait for the acknowledgement of the one before (Nagle, tcp(7)).
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (port_range_ != 0 && ::setsockopt(fd.get(), IPPROTO_IP, IP_LOCAL_PORT_RANGE, &port_range_,
                                       sizeof port_range_) < 0) {
    port_range_ = 0;  // before Linux 6.3: the search is slower, nothing else
  }
  if (!sources_.empty()) {
    const net::Address& source = sources_[next_source_++ % sources_.size()];
    if (auto bound = bind_source(fd.get(), source); !bound) return tl::unexpected(bound.error());
  }
  return fd;
}

net::Status check_sources(const std::vector<net::Address>& sources) {
  for (const net::Address& source : sources) {
    const net::OwnedFd fd(::socket(source.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd.valid()) return net::fail("socket", errno);
    if (auto bound = bind_source(fd.get(), source); !bound) return bound;
  }
  return {};
}

}  // namespace ringload
