// The last minutes, a sample a second: what the plots of /status show. Of one thread.
#pragma once

#include <cstdint>
#include <deque>

#include "server/admin/snapshot.h"

namespace ringserve::admin {

// What went on since the sample before.
struct Sample {
  double at_s = 0;  // uptime of the server
  double requests_per_s = 0;
  double errors_per_s = 0;  // of these, answered with a status from 400
  double sent_bytes_per_s = 0;
  uint64_t connections_open = 0;
  double cpu_user_percent = 0, cpu_system_percent = 0;  // of one core
};

class History {
 public:
  static constexpr size_t kSamplesMax = 300;  // five minutes

  // The first snapshot is only what the first sample is measured from. One that comes less than
  // kIntervalMin_s after the last is not taken: its rates would be noise.
  static constexpr double kIntervalMin_s = 0.1;
  void add(const Snapshot& now);

  const std::deque<Sample>& samples() const { return samples_; }  // oldest first
  const Snapshot& first() const { return first_; }                // all zero before the first add()

 private:
  std::deque<Sample> samples_;
  Snapshot first_, last_;
  bool begun_ = false;
};

}  // namespace ringserve::admin
