// When the requests of an open loop are due: a rate that is constant or changes linearly, stage by
// stage, and goes on with the last stage's end. Pure arithmetic.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ringload {

struct Stage {  // --ramp FROM:TO:TIME
  double from = 0;
  double to = 0;
  double duration_s = 0;  // infinite for a constant that holds until the end
};

// The value of the stages after `at_s` seconds; the last one's end when all are over.
double value_at(const std::vector<Stage>& stages, double at_s);
double total_duration_s(const std::vector<Stage>& stages);

class Schedule {
 public:
  // Values are requests a second, > 0 at one end of each stage.
  explicit Schedule(std::vector<Stage> stages);

  // Nanoseconds from the start to request number `index`, 0 being the first. Answers fastest when
  // asked for growing numbers.
  int64_t due_ns(uint64_t index);
  // How many requests are due in the first `until_s` seconds.
  double count_until(double until_s) const;

 private:
  struct Segment {
    Stage stage;
    double start_s = 0;
    double first = 0;  // requests due before it
    double count = 0;  // requests due in it
  };

  std::vector<Segment> segments_;
  size_t current_ = 0;
};

}  // namespace ringload
