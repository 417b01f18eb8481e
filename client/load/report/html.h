// The report as one HTML file: no script, nothing from elsewhere, readable on a phone and in the
// dark. Everything that is not our own text is escaped.
#pragma once

#include <string>

#include "client/load/outcome.h"
#include "client/load/report/gnuplot.h"
#include "common/net/result.h"

namespace ringload {

// Draws with gnuplot (check_plotter() tells beforehand whether it is there), which takes about half
// a second; fails where gnuplot does.
net::Result<std::string> html_report(const Outcome& outcome);

}  // namespace ringload
