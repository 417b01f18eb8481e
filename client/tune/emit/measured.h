// What `ringtune measure --json` found out, as far as emit needs it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/net/result.h"

namespace ringtune {

struct MeasuredValue {
  std::string value;
  // Of the baseline's figure, and its 95 % interval; nothing where too few pairs say nothing.
  std::optional<double> ratio;
  std::optional<double> low;
  std::optional<double> high;
  std::string verdict;  // "better", "worse", "no difference"
};

struct MeasuredParameter {
  std::string name;
  std::string baseline;
  std::vector<MeasuredValue> values;
};

struct Measured {
  std::string kernel;
  std::string workload;
  bool is_noisy = false;        // the control, the same against itself, was not the same
  bool is_interrupted = false;  // fewer pairs than were wanted
  std::vector<MeasuredParameter> parameters;
};

constexpr int kMeasuredFormat = 1;

// Fails on what is not such a file: a key that is missing, another format, a name or a value that
// could not stand in a line of sysctl.d.
net::Result<Measured> parse_measured(std::string_view json, const std::string& origin);
net::Result<Measured> read_measured(const std::string& path);

}  // namespace ringtune
