// Differences of counters divided by the time between them. It relies on the snapshots of one
// server in the order they were taken.
#include "server/admin/history.h"

namespace ringserve::admin {
namespace {

constexpr int kErrorStatusFirst = 400;

uint64_t errors_of(const Snapshot& snapshot) {
  uint64_t errors = 0;
  for (const auto& [status, count] : snapshot.by_status) {
    if (status >= kErrorStatusFirst) errors += count;
  }
  return errors;
}

// The counters of a snapshot are read one after the other while workers count: one that seems to
// have gone back has not.
double rate_per_s(uint64_t before, uint64_t now, double interval_s) {
  return now > before ? static_cast<double>(now - before) / interval_s : 0;
}

double percent(double before_s, double now_s, double interval_s) {
  return now_s > before_s ? 100 * (now_s - before_s) / interval_s : 0;
}

}  // namespace

void History::add(const Snapshot& now) {
  if (!begun_) {
    begun_ = true;
    first_ = last_ = now;
    return;
  }
  const double interval_s = now.uptime_s - last_.uptime_s;
  if (interval_s < kIntervalMin_s) return;
  Sample sample;
  sample.at_s = now.uptime_s;
  sample.requests_per_s = rate_per_s(last_.requests, now.requests, interval_s);
  sample.errors_per_s = rate_per_s(errors_of(last_), errors_of(now), interval_s);
  sample.sent_bytes_per_s = rate_per_s(last_.sent_bytes, now.sent_bytes, interval_s);
  sample.connections_open = now.connections_open;
  sample.cpu_user_percent = percent(last_.cpu_user_s, now.cpu_user_s, interval_s);
  sample.cpu_system_percent = percent(last_.cpu_system_s, now.cpu_system_s, interval_s);
  samples_.push_back(sample);
  if (samples_.size() > kSamplesMax) samples_.pop_front();
  last_ = now;
}

}  // namespace ringserve::admin
