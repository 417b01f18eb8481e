// `ringtune check`: whether the present values will do for what is expected.
#pragma once

#include <memory>
#include <string>

#include "client/tune/check/report.h"
#include "client/tune/command.h"

namespace ringtune {

struct ExpectOptions {
  std::string purpose;  // "serve", "load", or empty for both
  std::string expect;
};
// --for and --expect, which emit has too.
void add_expect_options(CLI::App& command, ExpectOptions& options);

// Reads the machine and judges it. Fails on a mistake in the options.
net::Result<CheckReport> look_and_judge(const ExpectOptions& options);

void add_check(CLI::App& app, Run& run);

}  // namespace ringtune
