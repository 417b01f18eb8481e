// What the subcommands of ringtune have in common. Each has one function add_NAME(app, run) that
// adds it to the command line; its callback stores what is to be done in `run`, and main() does it
// when the whole command line has been understood.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace ringtune {

// Does the work, prints, and returns the exit status.
using Run = std::function<int()>;

constexpr int kExitDone = 0;
constexpr int kExitFound = 1;    // check: something will break; diff: something differs
constexpr int kExitTrouble = 2;  // a mistake on the command line, or something could not be done

}  // namespace ringtune
