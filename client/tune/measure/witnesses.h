// Which counters say why: what they count, and by how much they differ between the baseline and a
// value.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "client/tune/measure/experiment.h"

namespace ringtune {

struct Witness {
  std::string name;
  double baseline = 0;  // medians of the samples
  double value = 0;
  std::string_view meaning;
  bool is_telling = false;  // far from the baseline: it may be the reason
};

// Those that counted anything, the telling ones first.
std::vector<Witness> witnesses_of(const SubjectSamples& subject, const SubjectSamples& baseline);

}  // namespace ringtune
