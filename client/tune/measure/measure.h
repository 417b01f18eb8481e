// `ringtune measure` and `ringtune search`: what a parameter changes, by experiment in networks of
// their own. The host's parameters are read, never written.
#pragma once

#include "client/tune/command.h"

namespace ringtune {

constexpr int kExitNoisy = 4;  // the baseline against itself is not 1: nothing can be said
constexpr int kExitInterrupted = 130;

void add_measure(CLI::App& app, Run& run);
void add_search(CLI::App& app, Run& run);

}  // namespace ringtune
