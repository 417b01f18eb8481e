// Looks at the kernel's sockets while a run goes on: counters every second, the sockets themselves
// seldom and filtered, so that looking costs less than 1 % of a core at 28,000 sockets in
// TIME_WAIT. Called by one thread, never by those that load. A look that fails is not valid, and
// SocketSummary::trouble says why.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/load/sockets/socket_sample.h"
#include "common/net/address.h"
#include "common/net/result.h"

namespace ringload {

struct TrackedRun {
  std::vector<net::Address> targets;  // distinct; all of one family
  std::vector<net::Address> sources;  // --source, port 0; empty: the kernel's choice
  bool closes_first = true;           // this side closes, and so holds TIME_WAIT
};

class SocketTracker {
 public:
  // Reads the facts and takes the first look; fails only where sockets cannot be seen at all (no
  // /proc, sock_diag refused), or where no route leads to a target (ENETUNREACH). For Unix sockets
  // facts().tcp is false and no sample is valid.
  static net::Result<std::unique_ptr<SocketTracker>> start(const TrackedRun& run);
  virtual ~SocketTracker() = default;

  virtual const PortFacts& facts() const = 0;
  virtual const Forecast& forecast() const = 0;

  // Once a second. `new_connections_per_s` is the present rate, for the prediction: of connections
  // that connect() opened, not of attempts. What only a dump can tell (established, the side that
  // holds TIME_WAIT, in_use) is as of the last dump; the rest is carried on from the counters.
  // ports_free counts, where connections are spread over several targets, what the target with
  // the fewest has left, times the number of targets: an even load fails there first.
  virtual SocketSample look(double new_connections_per_s) = 0;
  // The same, but dumps the sockets now, whatever that costs: at the end, and when ports ran out.
  virtual SocketSample look_closely(double new_connections_per_s) = 0;
  // Everything seen since start(); takes a last look, a close one.
  virtual SocketSummary summary() = 0;
};

}  // namespace ringload
