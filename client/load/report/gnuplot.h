// Runs gnuplot as a child: a script in, an SVG out. The child reads no start-up file of the user
// and writes nowhere but to us.
#pragma once

#include <string>
#include <string_view>

#include "common/net/result.h"

namespace ringload {

// Whether there is a gnuplot: before a run whose report needs it.
net::Status check_plotter();

// Blocks until gnuplot is done. The script must leave its output on stdout; the result begins with
// "<svg".
net::Result<std::string> run_gnuplot(std::string_view script);

}  // namespace ringload
