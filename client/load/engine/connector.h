// Sockets that are ready to connect: source address, port range and options. One worker's.
#pragma once

#include <cstdint>
#include <vector>

#include "client/load/plan.h"
#include "common/net/owned_fd.h"
#include "common/net/result.h"

namespace ringload {

class Connector {
 public:
  // `first_source` spreads the workers over the sources.
  Connector(const Plan& plan, unsigned first_source);

  // A blocking TCP or Unix socket, bound to the next of --source. The error names the call.
  net::Result<net::OwnedFd> open(const Target& target);
  // How many sources there are to try before no port is left on any.
  unsigned sources() const { return sources_.empty() ? 1 : static_cast<unsigned>(sources_.size()); }

 private:
  const std::vector<net::Address>& sources_;
  bool many_connections_;
  unsigned next_source_;
  uint32_t port_range_ = 0;  // low in the lower half, high in the upper, as IP_LOCAL_PORT_RANGE
};

// Whether sockets can be bound to each source: EADDRNOTAVAIL here means it is not an address of
// this host.
net::Status check_sources(const std::vector<net::Address>& sources);

}  // namespace ringload
