// `ringtune diff FILE`: a sysctl.d file against the running system. It changes nothing.
#pragma once

#include "client/tune/command.h"

namespace ringtune {

void add_diff(CLI::App& app, Run& run);

}  // namespace ringtune
