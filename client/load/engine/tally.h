// What one worker counts, and how it reaches the coordinator: an Interval is filled by the worker
// alone, handed over when its second ends, and comes back empty.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "client/load/outcome.h"
#include "common/measure/histogram.h"

namespace ringload {

struct Interval {
  int64_t until_ns = 0;        // CLOCK_MONOTONIC; names the row
  bool last_row = false;       // of the run's time
  bool after_end = false;      // what was still under way then
  uint64_t requests = 0;       // answered well, begun in the measured part
  uint64_t answered_late = 0;  // the same, after the end
  uint64_t bytes = 0;
  uint64_t opened = 0;
  uint64_t failed = 0;
  uint64_t reused = 0;
  uint64_t lost_ns = 0;     // slots without a connection because of failures, summed
  uint64_t no_port = 0;     // connects that failed with EADDRNOTAVAIL on every source
  uint64_t connected = 0;   // slots with a connection, when it was handed over
  uint64_t unanswered = 0;  // sent, given up at the end
  uint64_t unsent = 0;      // open loop: due, and never sent
  int64_t cpu_ns = 0;       // of the worker's thread in the interval
  measure::Histogram latency_ns;
  measure::Histogram schedule_error_ns;
  ErrorCounts errors;
  std::array<uint64_t, 1000> statuses{};

  void count_error(std::string_view phase, std::string_view name, uint64_t times = 1) {
    errors[std::string(phase)][std::string(name)] += times;
  }
  void clear();
};

// One for each worker. Any thread.
class Mailbox {
 public:
  std::unique_ptr<Interval> take_empty();
  void give_back(std::unique_ptr<Interval> interval);

  // In order; the last one is followed by finish().
  void hand_over(std::unique_ptr<Interval> interval);
  void finish();

  // The next interval, or null when there is none yet or (see finished()) will be none.
  std::unique_ptr<Interval> collect();
  bool finished() const;  // and everything has been collected

 private:
  mutable std::mutex mutex_;
  std::deque<std::unique_ptr<Interval>> full_;
  std::vector<std::unique_ptr<Interval>> empty_;
  bool finished_ = false;
};

}  // namespace ringload
