// From a prepared setup to a result: for `ringtune measure`, and for search's confirmation.
#pragma once

#include "client/tune/measure/result.h"
#include "client/tune/measure/setup.h"

namespace ringtune {

// With no complete round when it was interrupted at once. Errors: a value that the kernel refuses,
// a sample that failed.
net::Result<MeasureResult> measure_trials(const Setup& setup, const std::vector<Trial>& trials,
                                          size_t pairs, const Progress& progress);

// Against the baseline and the control that `result` holds.
net::Result<ValueResult> judge_value(const std::string& value, SubjectSamples samples,
                                     const MeasureResult& result);

}  // namespace ringtune
