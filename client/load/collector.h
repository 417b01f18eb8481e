// Puts together what the workers hand over: each second's intervals become one row, the rows of
// the measured part the totals. The coordinator's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "client/load/engine/control.h"
#include "client/load/engine/tally.h"
#include "client/load/outcome.h"
#include "client/load/plan.h"

namespace ringload {

class Collector {
 public:
  // A row is complete when every worker has handed over its part.
  using OnRow = std::function<void(SecondRow& row)>;

  Collector(const Plan& plan, const Control& control,
            std::vector<std::unique_ptr<Mailbox>>& mailboxes)
      : plan_(plan),
        control_(control),
        mailboxes_(mailboxes),
        busy_ns_(plan.threads),
        handed_over_ns_(plan.threads) {}

  // Takes what is there, adds it to `outcome`, and calls on_row, which may fill in what is known
  // about sockets and CPU, for each row that is complete; the row is in outcome.seconds then.
  void collect(Outcome& outcome, const OnRow& on_row);
  bool all_finished() const;
  // After the last row: figures that are means over the measured part.
  void finish(Outcome& outcome) const;

 private:
  void take_in(size_t worker, const Interval& interval, Outcome& outcome);
  void complete_row(const Interval& sum, Outcome& outcome, const OnRow& on_row);
  double seconds_from_start(int64_t at_ns) const {
    return static_cast<double>(at_ns - control_.measured_from_ns) / 1e9;
  }

  const Plan& plan_;
  const Control& control_;
  std::vector<std::unique_ptr<Mailbox>>& mailboxes_;
  std::map<int64_t, Interval> parts_;    // summed, by the end of the row; kNever: the last one
  std::vector<int64_t> busy_ns_;         // CPU time in the measured part, by worker
  std::vector<int64_t> handed_over_ns_;  // the end of its latest row, by worker; kNever: the last
  int64_t row_start_ns_ = 0;
  uint64_t lost_ns_ = 0;
};

}  // namespace ringload
