// What does not change while a run goes on: the sysctls, the ports that connect() may choose, which
// source reaches which destination, and whether the server is in this network namespace.
#pragma once

#include <vector>

#include "client/load/sockets/socket_sample.h"
#include "common/net/address.h"
#include "common/net/result.h"
#include "common/net/sock_diag.h"
#include "common/net/sysctl.h"

namespace ringload {

// Connections of one pair share one set of ports: each port can be used once (RFC 9293, 3.4: a
// connection is known by both ends).
struct Pair {
  net::Endpoint source;  // port 0
  net::Endpoint destination;

  friend auto operator<=>(const Pair&, const Pair&) = default;
};

struct Surroundings {
  PortFacts facts;
  net::PortSet usable;          // the range without reserved and bound ports
  std::vector<Pair> pairs;      // every source to every destination, in the order of destinations
  bool server_is_here = false;  // some destination is an address of ours with a listener
  std::vector<int> families;    // in which to look for sockets: AF_INET, AF_INET6
};

// Only what the sysctls and the bound sockets say; no pairs, one source, one destination.
net::Result<Surroundings> look_around(net::SockDiag& diag);

// For connections to `targets` (TCP, of one family) from `sources`; without sources from the
// address that the kernel would choose, found by connecting a UDP socket, which sends nothing.
net::Result<Surroundings> look_around(net::SockDiag& diag, const std::vector<net::Address>& targets,
                                      const std::vector<net::Address>& sources);

}  // namespace ringload
