// The experiment: in each round every subject is measured once, forward and backward in turns
// (ABBA); the first subject is the baseline, the second is the baseline again, as the control.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "client/tune/measure/workload.h"
#include "common/measure/paired.h"

namespace ringtune {

struct Subject {
  std::string name;
  std::vector<Setting> settings;
};

struct SubjectSamples {
  std::vector<Sample> samples;  // by round
};

struct Rounds {
  std::vector<SubjectSamples> subjects;  // as they were given; the same number of samples each
  bool is_interrupted = false;           // then with the complete rounds only
};

// Told before each sample: which, of how many, and the seconds that are left, if that is known.
using Progress = std::function<void(size_t done, size_t all, std::optional<double> left_s)>;

// Errors: those of a sample, which end it all.
net::Result<Rounds> run_rounds(const Workload& workload, const Bench& bench,
                               const std::vector<Subject>& subjects, size_t pairs,
                               const Progress& progress);

// One metric of a subject against the same of another.
net::Result<::measure::Comparison> compare_metric(const SubjectSamples& subject,
                                                  const SubjectSamples& baseline, size_t metric);

enum class Finding { better, worse, no_difference, unclear };
std::string_view finding_name(Finding finding);

// What the interval says of the metric. Where the control is not 1, only what lies beyond the
// control's interval as well: all else is unclear. Fewer pairs than can show anything: unclear.
Finding judge(const ::measure::Comparison& comparison, const ::measure::Comparison& control,
              bool more_is_better);
bool contains_one(const ::measure::Comparison& control);

}  // namespace ringtune
