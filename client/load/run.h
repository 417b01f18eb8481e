// A run from its plan to its report: threads, signals, the watch over sockets and conditions.
#pragma once

#include "client/load/plan.h"

namespace ringload {

// Returns the exit status (options.h). Prints the live view on stderr, the report on stdout.
// Call it in the main thread, before any other exists: it blocks SIGINT and SIGTERM for all.
int run(const Plan& plan);

}  // namespace ringload
