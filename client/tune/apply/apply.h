// `ringtune apply FILE`: sets what a sysctl.d file says, all of it or nothing.
#pragma once

#include "client/tune/command.h"

namespace ringtune {

void add_apply(CLI::App& app, Run& run);

}  // namespace ringtune
