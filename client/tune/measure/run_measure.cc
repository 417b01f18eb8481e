// The subjects are the baseline, the baseline again, and one for each value; what is judged is each
// against the first, round by round.
#include "client/tune/measure/run_measure.h"

namespace ringtune {

net::Result<MeasureResult> measure_trials(const Setup& setup, const std::vector<Trial>& trials,
                                          size_t pairs, const Progress& progress) {
  const auto present = check_trials(setup, trials);
  if (!present) return tl::unexpected(present.error());
  const std::vector<Setting>& baseline = setup.surroundings.copied;
  std::vector<Subject> subjects = {{"the baseline", baseline}, {"the control", baseline}};
  for (const Trial& trial : trials) {
    for (const std::string& value : trial.values) {
      subjects.push_back({trial.name + "=" + value, baseline});
      subjects.back().settings.push_back({trial.name, value});
    }
  }
  Bench bench = setup.bench;
  for (const Trial& trial : trials) bench.follows_congestion |= trial.name == kCongestion;
  auto rounds = run_rounds(setup.workload, bench, subjects, pairs, progress);
  if (!rounds) return tl::unexpected(rounds.error());

  MeasureResult result;
  result.workload = setup.workload;
  result.kernel = kernel_release();
  result.wiring = setup.wiring;
  result.command = setup.bench.command;
  result.seconds = setup.bench.seconds;
  result.pairs_wanted = pairs;
  result.is_interrupted = rounds->is_interrupted;
  result.settings = baseline;
  result.not_copied = setup.surroundings.not_copied;
  result.baseline = std::move(rounds->subjects[0]);
  result.control_samples = std::move(rounds->subjects[1]);
  result.pairs = result.baseline.samples.size();
  if (result.pairs == 0) return result;
  const auto control = compare_metric(result.control_samples, result.baseline, 0);
  if (!control) return tl::unexpected(control.error());
  result.control = *control;
  size_t next = 2;
  for (size_t i = 0; i < trials.size(); ++i) {
    ParameterResult parameter{trials[i].name, (*present)[i], {}};
    for (const std::string& value : trials[i].values) {
      auto judged = judge_value(value, std::move(rounds->subjects[next++]), result);
      if (!judged) return tl::unexpected(judged.error());
      parameter.values.push_back(std::move(*judged));
    }
    result.parameters.push_back(std::move(parameter));
  }
  return result;
}

net::Result<ValueResult> judge_value(const std::string& value, SubjectSamples samples,
                                     const MeasureResult& result) {
  ValueResult judged{value, {}, {}, {}, std::move(samples)};
  for (size_t i = 0; i < result.workload.metrics.size(); ++i) {
    const auto comparison = compare_metric(judged.samples, result.baseline, i);
    if (!comparison) return tl::unexpected(comparison.error());
    judged.metrics.push_back(*comparison);
  }
  judged.finding =
      judge(judged.metrics.front(), result.control, result.workload.metrics.front().more_is_better);
  judged.witnesses = witnesses_of(judged.samples, result.baseline);
  return judged;
}

}  // namespace ringtune
