// The whole server: listeners, descriptor budget, workers, signals, upgrades.
#pragma once

#include "server/options.h"

namespace ringserve {

// Serves until SIGTERM or SIGINT, or until a successor has taken over (SIGUSR2), which is executed
// with the same `arguments`; returns the exit status. Errors at start go to stderr. Before any
// thread.
int serve(const Options& options, char** arguments);

}  // namespace ringserve
