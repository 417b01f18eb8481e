// A stage from a to b in D seconds has n(t) = a t + (b - a) t^2 / 2D requests behind it; a
// request's time is the root of that, written so that it stays exact when a equals b.
#include "client/load/engine/schedule.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "common/check.h"

namespace ringload {
namespace {

double slope_of(const Stage& stage) {
  return std::isinf(stage.duration_s) ? 0 : (stage.to - stage.from) / stage.duration_s;
}

double count_in(const Stage& stage, double elapsed_s) {
  if (std::isinf(elapsed_s)) return stage.to > 0 ? elapsed_s : 0;
  return stage.from * elapsed_s + slope_of(stage) * elapsed_s * elapsed_s / 2;
}

double time_of(const Stage& stage, double count) {
  if (count <= 0) return 0;
  const double root =
      std::sqrt(std::max(0.0, stage.from * stage.from + 2 * slope_of(stage) * count));
  return 2 * count / (stage.from + root);
}

}  // namespace

double value_at(const std::vector<Stage>& stages, double at_s) {
  CHECK(!stages.empty());
  for (const Stage& stage : stages) {
    if (at_s < stage.duration_s) return stage.from + slope_of(stage) * std::max(at_s, 0.0);
    at_s -= stage.duration_s;
  }
  return stages.back().to;
}

double total_duration_s(const std::vector<Stage>& stages) {
  double total = 0;
  for (const Stage& stage : stages) total += stage.duration_s;
  return total;
}

Schedule::Schedule(std::vector<Stage> stages) {
  CHECK(!stages.empty());
  const double last = stages.back().to;
  if (!std::isinf(stages.back().duration_s)) {
    stages.push_back({last, last, std::numeric_limits<double>::infinity()});
  }
  double start_s = 0;
  double first = 0;
  for (const Stage& stage : stages) {
    const double count = count_in(stage, stage.duration_s);
    segments_.push_back({stage, start_s, first, count});
    start_s += stage.duration_s;
    first += count;
  }
}

int64_t Schedule::due_ns(uint64_t index) {
  const auto number = static_cast<double>(index);
  if (number < segments_[current_].first) current_ = 0;
  while (number >= segments_[current_].first + segments_[current_].count) {
    if (current_ + 1 == segments_.size()) return std::numeric_limits<int64_t>::max();
    ++current_;
  }
  const Segment& segment = segments_[current_];
  const double at_s = segment.start_s + time_of(segment.stage, number - segment.first);
  return at_s > 9e9 ? std::numeric_limits<int64_t>::max() : std::llround(at_s * 1e9);
}

double Schedule::count_until(double until_s) const {
  double count = 0;
  for (const Segment& segment : segments_) {
    if (until_s <= segment.start_s) break;
    count = segment.first +
            count_in(segment.stage, std::min(segment.stage.duration_s, until_s - segment.start_s));
  }
  return count;
}

}  // namespace ringload
