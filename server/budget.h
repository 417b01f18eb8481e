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
// where the options ask for more than there is.
net::Result<Budget> share_descriptors(const Options& options);

}  // namespace ringserve
