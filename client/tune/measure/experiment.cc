// Rounds and judgement; nothing here knows what a parameter or a workload is.
#include "client/tune/measure/experiment.h"

#include <algorithm>

#include "client/tune/measure/cell.h"
#include "common/check.h"
#include "common/measure/cpu_time.h"

namespace ringtune {

net::Result<Rounds> run_rounds(const Workload& workload, const Bench& bench,
                               const std::vector<Subject>& subjects, size_t pairs,
                               const Progress& progress) {
  Rounds rounds;
  rounds.subjects.resize(subjects.size());
  const size_t all = pairs * subjects.size();
  const int64_t begun_ns = ::measure::monotonic_ns();
  size_t done = 0;
  for (size_t round = 0; round < pairs; ++round) {
    std::vector<Sample> samples(subjects.size());
    for (const size_t index : ::measure::abba_order(round, subjects.size())) {
      std::optional<double> left_s;
      if (done > 0) {
        const double elapsed_s = static_cast<double>(::measure::monotonic_ns() - begun_ns) / 1e9;
        left_s = elapsed_s / static_cast<double>(done) * static_cast<double>(all - done);
      }
      progress(done, all, left_s);
      auto sample = take_sample(workload, bench, subjects[index].settings);
      if (InterruptWatch::was_interrupted()) {
        rounds.is_interrupted = true;
        return rounds;
      }
      if (!sample) {
        net::Error error = sample.error();
        error.what = subjects[index].name + ": " + error.what;
        return tl::unexpected(error);
      }
      samples[index] = std::move(*sample);
      ++done;
    }
    for (size_t i = 0; i < subjects.size(); ++i) {
      rounds.subjects[i].samples.push_back(std::move(samples[i]));
    }
  }
  progress(all, all, 0);
  return rounds;
}

net::Result<::measure::Comparison> compare_metric(const SubjectSamples& subject,
                                                  const SubjectSamples& baseline, size_t metric) {
  CHECK(subject.samples.size() == baseline.samples.size());
  std::vector<::measure::Pair> pairs;
  for (size_t i = 0; i < subject.samples.size(); ++i) {
    pairs.push_back({subject.samples[i].values.at(metric), baseline.samples[i].values.at(metric)});
  }
  return ::measure::compare(pairs);
}

std::string_view finding_name(Finding finding) {
  switch (finding) {
    case Finding::better: return "better";
    case Finding::worse: return "worse";
    case Finding::no_difference: return "no difference";
    case Finding::unclear: break;
  }
  return "unclear";
}

bool contains_one(const ::measure::Comparison& control) {
  return control.low <= 1 && control.high >= 1;
}

Finding judge(const ::measure::Comparison& comparison, const ::measure::Comparison& control,
              bool more_is_better) {
  if (comparison.pairs < ::measure::kPairsMin) return Finding::unclear;
  double low = 1;
  double high = 1;
  if (!contains_one(control)) {
    // The control may err to either side.
    high = std::max(control.high, 1 / control.low);
    low = 1 / high;
  }
  if (comparison.low > high) return more_is_better ? Finding::better : Finding::worse;
  if (comparison.high < low) return more_is_better ? Finding::worse : Finding::better;
  return contains_one(control) ? Finding::no_difference : Finding::unclear;
}

}  // namespace ringtune
