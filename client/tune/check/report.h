// Findings as a table for people, and as JSON for programs.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "client/tune/check/judge.h"
#include "client/tune/text/terminal.h"

namespace ringtune {

struct CheckReport {
  std::string kernel;
  Expectation expected;
  std::vector<Finding> findings;

  size_t count(Verdict verdict) const;
};

// `all`: also those that do not matter.
std::string report_text(const CheckReport& report, const Terminal& terminal, bool all);

constexpr int kCheckFormat = 1;  // of the JSON
nlohmann::ordered_json report_json(const CheckReport& report);

}  // namespace ringtune
