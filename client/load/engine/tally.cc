// Handing over happens once a second, so a mutex costs nothing that could be measured.
#include "client/load/engine/tally.h"

namespace ringload {

void Interval::clear() {
  requests = answered_late = bytes = opened = failed = reused = lost_ns = no_port = 0;
  connected = unanswered = unsent = 0;
  until_ns = cpu_ns = 0;
  last_row = after_end = false;
  latency_ns.clear();
  schedule_error_ns.clear();
  errors.clear();
  statuses.fill(0);
}

std::unique_ptr<Interval> Mailbox::take_empty() {
  const std::lock_guard lock(mutex_);
  if (empty_.empty()) return std::make_unique<Interval>();
  auto interval = std::move(empty_.back());
  empty_.pop_back();
  return interval;
}

void Mailbox::give_back(std::unique_ptr<Interval> interval) {
  interval->clear();
  const std::lock_guard lock(mutex_);
  empty_.push_back(std::move(interval));
}

void Mailbox::hand_over(std::unique_ptr<Interval> interval) {
  const std::lock_guard lock(mutex_);
  full_.push_back(std::move(interval));
}

void Mailbox::finish() {
  const std::lock_guard lock(mutex_);
  finished_ = true;
}

std::unique_ptr<Interval> Mailbox::collect() {
  const std::lock_guard lock(mutex_);
  if (full_.empty()) return nullptr;
  auto interval = std::move(full_.front());
  full_.pop_front();
  return interval;
}

bool Mailbox::finished() const {
  const std::lock_guard lock(mutex_);
  return finished_ && full_.empty();
}

}  // namespace ringload
