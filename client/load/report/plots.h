// The pictures of the HTML report, as gnuplot scripts with their data within. Pure. No text of the
// user gets into a script: gnuplot would obey it.
#pragma once

#include <string>
#include <vector>

#include "client/load/outcome.h"

namespace ringload {

struct Plot {
  std::string title;
  std::string caption;  // how to read it
  std::string script;   // empty: there is nothing to draw, and the caption says why
};

// Throughput, percentiles over time, latency distribution, TIME_WAIT and ports; the last one only
// where sockets were tracked.
std::vector<Plot> plots_of(const Outcome& outcome);

}  // namespace ringload
