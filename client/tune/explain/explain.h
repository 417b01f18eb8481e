// `ringtune explain NAME`: what a parameter is and does, and what it is here.
#pragma once

#include "client/tune/command.h"

namespace ringtune {

void add_explain(CLI::App& app, Run& run);

}  // namespace ringtune
