// What `ringtune measure --json` or `ringtune search --json` found out, as far as emit needs it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/net/result.h"

namespace ringtune {

struct MeasuredRatio {
  // Of the baseline's figure, and its 95 % interval; nothing where too few pairs say nothing.
  std::optional<double> ratio;
  std::optional<double> low;
  std::optional<double> high;
  std::string verdict;  // "better", "worse", "no difference", "unclear"
};

struct MeasuredValue : MeasuredRatio {
  std::string value;
};

struct MeasuredParameter {
  std::string name;
  std::string baseline;
  std::vector<MeasuredValue> values;
};

// Of a search: what the screening says of high against low. Those that mattered may be among the
// parameters too, measured alone.
struct ScreenedParameter {
  std::string name;
  std::string low_value;
  std::string high_value;
  MeasuredRatio high;
};

struct Measured {
  std::string kernel;
  std::string workload;
  bool is_noisy = false;        // the control, the same against itself, was not the same
  bool is_interrupted = false;  // fewer pairs than were wanted
  std::vector<MeasuredParameter> parameters;
  std::vector<ScreenedParameter> screened;
};

constexpr int kMeasuredFormat = 1;

// Fails on what is not such a file, and says where in it: a key that is missing or of another type,
// another format, a name or a value that could not stand in a line of sysctl.d.
net::Result<Measured> parse_measured(std::string_view json, const std::string& origin);
net::Result<Measured> read_measured(const std::string& path);

}  // namespace ringtune
