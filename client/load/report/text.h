// The report for a terminal: aligned, at most kReportColumns wide, plain UTF-8 without colours.
#pragma once

#include <string>

#include "client/load/outcome.h"
#include "client/load/report/sections.h"

namespace ringload {

// Ends in a newline.
std::string text_report(const Outcome& outcome);

}  // namespace ringload
