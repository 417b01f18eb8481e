// Reads /proc/sys and the listening sockets, asks the routing table by way of UDP sockets. It sends
// no packet and keeps no socket.
#include "client/load/sockets/surroundings.h"

#include <sys/socket.h>

#include <algorithm>

#include "common/net/owned_fd.h"

namespace ringload {
namespace {

// Before Linux 6.14 there was no tcp_tw_reuse_delay, and the delay was a second.
constexpr int64_t kReuseDelayBefore614Ms = 1000;

net::Status read_number(const char* name, int64_t& value) {
  const net::Result<int64_t> read = net::read_sysctl_int(name);
  if (!read) return tl::unexpected(read.error());
  value = *read;
  return {};
}

net::Status read_sysctls(Surroundings& around) {
  PortFacts& facts = around.facts;
  const auto range = net::read_sysctl_port_range("net.ipv4.ip_local_port_range");
  if (!range) return tl::unexpected(range.error());
  facts.range_first = range->first;
  facts.range_last = range->last;
  for (unsigned port = range->first; port <= range->last; ++port) around.usable.set(port);

  const auto reserved = net::read_sysctl_ports("net.ipv4.ip_local_reserved_ports");
  if (!reserved) return tl::unexpected(reserved.error());
  facts.reserved = static_cast<unsigned>((*reserved & around.usable).count());
  around.usable &= ~*reserved;

  int64_t reuse = 0, timestamps = 0, buckets = 0, delay_ms = 0;
  for (const auto& [name, value] : {std::pair{"net.ipv4.tcp_tw_reuse", &reuse},
                                    {"net.ipv4.tcp_timestamps", &timestamps},
                                    {"net.ipv4.tcp_max_tw_buckets", &buckets}}) {
    if (auto status = read_number(name, *value); !status) return status;
  }
  if (auto status = read_number("net.ipv4.tcp_tw_reuse_delay", delay_ms); !status) {
    if (status.error().errno_value != ENOENT) return status;
    delay_ms = kReuseDelayBefore614Ms;
  }
  facts.tw_reuse = static_cast<int>(reuse);
  facts.timestamps = timestamps != 0;
  facts.tw_buckets_max = static_cast<unsigned>(buckets);
  facts.tw_reuse_delay_ms = static_cast<unsigned>(delay_ms);
  return {};
}

// connect() passes over every port that somebody has bound, in either family
// (__inet_hash_connect(), net/ipv4/inet_hashtables.c).
net::Result<std::vector<net::SeenSocket>> binding_sockets(net::SockDiag& diag) {
  std::vector<net::SeenSocket> found;
  for (const int family : {AF_INET, AF_INET6}) {
    const auto status =
        diag.dump(family, {.states = net::kBindingStates},
                  [&found](const net::SeenSocket& socket) { found.push_back(socket); });
    if (!status) return tl::unexpected(status.error());
  }
  return found;
}

void subtract_bound_ports(Surroundings& around, const std::vector<net::SeenSocket>& binding) {
  const size_t before = around.usable.count();
  for (const net::SeenSocket& socket : binding) around.usable.reset(socket.local.port);
  around.facts.bound = static_cast<unsigned>(before - around.usable.count());
}

net::Result<net::Address> source_toward(const net::Address& target) {
  const net::OwnedFd probe(::socket(target.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!probe.valid()) return net::fail("socket SOCK_DGRAM", errno);
  if (::connect(probe.get(), target.data(), target.size()) < 0) {
    return net::fail("route to " + target.text(), errno, "is the network up? see ip route get");
  }
  return net::Address::of_socket(probe.get());
}

// An address of this namespace is one that a socket can be bound to. A UDP socket takes no TCP
// port.
bool is_local(const net::Address& address) {
  const net::OwnedFd probe(::socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const net::Address any_port = address.with_port(0);
  return probe.valid() && ::bind(probe.get(), any_port.data(), any_port.size()) == 0;
}

bool accepts_for(const net::SeenSocket& socket, const net::Endpoint& target) {
  if (socket.state != net::TcpState::listen || socket.local.port != target.port) return false;
  if (socket.local.ip == target.ip) return true;
  if (!socket.local.is_wildcard()) return false;
  return socket.local.is_ipv4() == target.is_ipv4() ||
         (target.is_ipv4() && !socket.v6_only);  // dual stack
}

// Sockets that a dual-stack listener accepted are of AF_INET6, whatever the client's family.
void find_server(Surroundings& around, const net::Address& target,
                 const std::vector<net::SeenSocket>& binding) {
  if (!is_local(target)) return;
  const net::Endpoint endpoint = net::Endpoint::of(target);
  for (const net::SeenSocket& socket : binding) {
    if (!accepts_for(socket, endpoint)) continue;
    around.server_is_here = true;
    const int family = socket.local.is_ipv4() ? AF_INET : AF_INET6;
    if (std::find(around.families.begin(), around.families.end(), family) ==
        around.families.end()) {
      around.families.push_back(family);
    }
  }
}

net::Endpoint without_port(net::Endpoint endpoint) {
  endpoint.port = 0;
  return endpoint;
}

}  // namespace

net::Result<Surroundings> look_around(net::SockDiag& diag) { return look_around(diag, {}, {}); }

net::Result<Surroundings> look_around(net::SockDiag& diag, const std::vector<net::Address>& targets,
                                      const std::vector<net::Address>& sources) {
  Surroundings around;
  if (auto status = read_sysctls(around); !status) return tl::unexpected(status.error());
  const auto binding = binding_sockets(diag);
  if (!binding) return tl::unexpected(binding.error());
  subtract_bound_ports(around, *binding);

  if (!targets.empty()) around.families.push_back(targets.front().family());
  for (const net::Address& target : targets) {
    std::vector<net::Address> own = sources;
    if (own.empty()) {
      const auto chosen = source_toward(target);
      if (!chosen) return tl::unexpected(chosen.error());
      own.push_back(*chosen);
    }
    for (const net::Address& source : own) {
      around.pairs.push_back({without_port(net::Endpoint::of(source)), net::Endpoint::of(target)});
    }
    find_server(around, target, *binding);
  }
  around.facts.sources = std::max<unsigned>(1, static_cast<unsigned>(sources.size()));
  around.facts.destinations = std::max<unsigned>(1, static_cast<unsigned>(targets.size()));
  // One pair that is not over loopback is enough to run out where the others would not.
  around.facts.loopback =
      !around.pairs.empty() &&
      std::all_of(around.pairs.begin(), around.pairs.end(), [](const Pair& pair) {
        return pair.source.is_loopback() || pair.destination.is_loopback();
      });
  return around;
}

}  // namespace ringload
