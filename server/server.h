// The whole server: listeners, descriptor budget, workers, signals.
#pragma once

#include "server/options.h"

namespace ringserve {

// Serves until SIGTERM or SIGINT; returns the exit status. Errors at start go to stderr.
int serve(const Options& options);

}  // namespace ringserve
