// `ringtune emit`: a sysctl.d file for what is expected, or for what was measured, with a reason
// for each line.
#pragma once

#include <optional>
#include <string>

#include "client/tune/check/report.h"
#include "client/tune/command.h"
#include "client/tune/emit/measured.h"

namespace ringtune {

// The file. Never a value that the catalogue refuses, nor one that lowers what is only raised: what
// is left out for that is there as a comment.
std::string conf_text(const CheckReport& report, const std::optional<Measured>& measured);

void add_emit(CLI::App& app, Run& run);

}  // namespace ringtune
