// How the descriptors a process may have are shared among what needs them.
#pragma once

#include <cstdint>

#include "common/net/result.h"
#include "server/options.h"

namespace ringserve {

struct Budget {
  uint64_t max_connections = 0;
  uint64_t open_files = 0;
  unsigned pipes_per_worker = 0;
};

// Shares RLIMIT_NOFILE, raised to its hard limit, among connections, cached files and pipes. Fails
// where the options ask for more than there is. `listeners`: sockets that are listened on.
net::Result<Budget> share_descriptors(const Options& options, uint64_t listeners);

// Has the kernel make the process's table of descriptors as large as it will be. Later, with
// threads, each doubling would have one of them wait for all (expand_files(): synchronize_rcu(),
// some 10 ms).
void make_room_for_descriptors(const Budget& budget);

}  // namespace ringserve
