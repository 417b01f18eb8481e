// All connections to the targets of a run, counted by one dump per family.
#pragma once

#include <cstdint>
#include <vector>

#include "client/load/sockets/release_times.h"
#include "client/load/sockets/surroundings.h"
#include "common/net/result.h"
#include "common/net/sock_diag.h"

namespace ringload {

struct PairUse {
  uint64_t in_use = 0;  // connections in any state but TIME_WAIT
  uint64_t time_wait = 0;
  uint64_t blocked = 0;  // usable ports that connect() cannot have now
};

struct Census {
  std::vector<PairUse> pairs;     // in the order of Surroundings::pairs
  uint64_t time_wait = 0;         // on our side, from whatever source
  uint64_t time_wait_server = 0;  // on the server's; 0 where it is not here
  uint64_t established = 0;       // on our side
  uint64_t parting = 0;           // ours, closed by us, the server's FIN still to come
  uint64_t ports_free = 0;        // see free_ports()
  ReleaseTimes releases;          // when blocked ports in TIME_WAIT come free
};

// Milliseconds until connect() may have the port of a socket that is kept as a timewait socket
// for another `expires_in_ms`; 0: it may now. An orphan in FIN_WAIT2 is never taken over
// (tcp_twsk_unique()), and TIME_WAIT is `delay` after it began if it can be at all.
uint32_t blocked_for_ms(const net::SeenSocket& socket, bool reusable, unsigned reuse_delay_ms);

// Where several destinations share the connections evenly, the first one without a port fails the
// run: free is what the fullest destination has left, over all its sources, times destinations.
uint64_t free_ports(const Surroundings& around, const std::vector<PairUse>& uses);

// Asks again, up to three times, where the kernel says that a dump went wrong.
net::Result<Census> take_census(net::SockDiag& diag, const Surroundings& around, double now_s);

}  // namespace ringload
