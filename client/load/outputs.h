// Where the figures of a run go: the terminal, and the files that were asked for.
#pragma once

#include "client/load/options.h"
#include "client/load/outcome.h"

namespace ringload {

// Before a run: that each file can be written, and the plotter is there.
net::Status check_outputs(const OutputFiles& files);
// The report for people, to stdout.
net::Status print_report(const Outcome& outcome);
// After the run: all but --csv, which has been written meanwhile.
net::Status write_outputs(const OutputFiles& files, const Outcome& outcome);

// ringload merge. Returns the exit status.
int run_merge(const MergeCommand& command);

}  // namespace ringload
