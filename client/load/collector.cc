// Histograms are added, never averaged; the warm-up's rows are shown and left out of the totals.
#include "client/load/collector.h"

#include <algorithm>

namespace ringload {
namespace {

void add(const ErrorCounts& from, ErrorCounts& to) {
  for (const auto& [phase, names] : from) {
    for (const auto& [name, count] : names) to[phase][name] += count;
  }
}

void add(const Interval& from, Interval& to) {
  to.until_ns = std::max(to.until_ns, from.until_ns);
  to.last_row |= from.last_row;
  to.requests += from.requests;
  to.bytes += from.bytes;
  to.opened += from.opened;
  to.failed += from.failed;
  to.reused += from.reused;
  to.lost_ns += from.lost_ns;
  to.no_port += from.no_port;
  to.connected += from.connected;
  to.unsent += from.unsent;
  to.cpu_ns += from.cpu_ns;
  to.latency_ns.merge(from.latency_ns);
  to.schedule_error_ns.merge(from.schedule_error_ns);
  add(from.errors, to.errors);
  for (size_t i = 0; i < to.statuses.size(); ++i) to.statuses[i] += from.statuses[i];
}

void add_counts(const SecondRow& from, SecondRow& to) {
  to.requests += from.requests;
  to.bytes += from.bytes;
  to.errors += from.errors;
  to.connections_opened += from.connections_opened;
}

void add_statuses(const Interval& from, Outcome& outcome) {
  for (size_t status = 0; status < from.statuses.size(); ++status) {
    if (from.statuses[status] == 0) continue;
    outcome.statuses[static_cast<unsigned>(status)] += from.statuses[status];
  }
}

}  // namespace

Percentiles percentiles_of(const measure::Histogram& latency_ns) {
  return {latency_ns.at_quantile(0.5), latency_ns.at_quantile(0.9), latency_ns.at_quantile(0.99),
          latency_ns.at_quantile(0.999), latency_ns.max()};
}

void Collector::collect(Outcome& outcome, const OnRow& on_row) {
  for (size_t worker = 0; worker < mailboxes_.size(); ++worker) {
    while (auto interval = mailboxes_[worker]->collect()) {
      take_in(worker, *interval, outcome);
      mailboxes_[worker]->give_back(std::move(interval));
    }
  }
  // A worker hands its rows over in order: nothing more comes for what lies before its latest.
  const int64_t complete_until_ns =
      *std::min_element(handed_over_ns_.begin(), handed_over_ns_.end());
  while (!parts_.empty() && parts_.begin()->first <= complete_until_ns) {
    complete_row(parts_.begin()->second, outcome, on_row);
    parts_.erase(parts_.begin());
  }
}

void Collector::take_in(size_t worker, const Interval& interval, Outcome& outcome) {
  if (interval.after_end) {
    outcome.answered_late += interval.answered_late;
    outcome.unanswered += interval.unanswered;
    outcome.unsent += interval.unsent;
    outcome.latency_ns.merge(interval.latency_ns);
    add(interval.errors, outcome.errors);
    add_statuses(interval, outcome);
    outcome.connections.reused += interval.reused;
    return;
  }
  handed_over_ns_[worker] = interval.last_row ? kNever : interval.until_ns;
  if (interval.until_ns > control_.measured_from_ns) busy_ns_[worker] += interval.cpu_ns;
  add(interval, parts_[handed_over_ns_[worker]]);
}

void Collector::complete_row(const Interval& sum, Outcome& outcome, const OnRow& on_row) {
  if (row_start_ns_ == 0) row_start_ns_ = control_.begin_ns;
  SecondRow row;
  row.at_s = seconds_from_start(sum.until_ns);
  row.length_s = static_cast<double>(sum.until_ns - row_start_ns_) / 1e9;
  row.warmup = sum.until_ns <= control_.measured_from_ns;
  row_start_ns_ = std::max(row_start_ns_, sum.until_ns);
  row.requests = sum.requests;
  row.bytes = sum.bytes;
  row.errors = total_of(sum.errors);
  row.connections_opened = sum.opened;
  row.connected = sum.connected;
  if (row.length_s > 0) row.lost = static_cast<double>(sum.lost_ns) / 1e9 / row.length_s;
  if (plan_.open_loop()) {
    const double middle_s =
        static_cast<double>(sum.until_ns - control_.begin_ns) / 1e9 - row.length_s / 2;
    row.planned_rate_per_s = value_at(plan_.rate, middle_s);
  }
  row.latency = percentiles_of(sum.latency_ns);
  row.client_cpu_s = static_cast<double>(sum.cpu_ns) / 1e9;

  outcome.connections.opened += sum.opened;  // those of the warm-up carry the load too
  if (!row.warmup) {
    outcome.connections.failed += sum.failed;
    outcome.connections.reused += sum.reused;
    outcome.duration_s = row.at_s;
    outcome.requests += sum.requests;
    outcome.bytes += sum.bytes;
    outcome.unsent += sum.unsent;
    outcome.latency_ns.merge(sum.latency_ns);
    outcome.schedule_error_ns.merge(sum.schedule_error_ns);
    add(sum.errors, outcome.errors);
    add_statuses(sum, outcome);
    lost_ns_ += sum.lost_ns;
  }
  if (outcome.exhaustion) {
    outcome.exhaustion->failures += sum.no_port;
    if (sum.no_port > 0) outcome.exhaustion->down_s += row.length_s;
  }
  if (row.length_s <= 0) {  // stopped as the second ended
    if (!outcome.seconds.empty()) add_counts(row, outcome.seconds.back());
    return;
  }
  on_row(row);
  outcome.seconds.push_back(row);
}

bool Collector::all_finished() const {
  return std::all_of(mailboxes_.begin(), mailboxes_.end(),
                     [](const auto& mailbox) { return mailbox->finished(); });
}

void Collector::finish(Outcome& outcome) const {
  if (outcome.duration_s <= 0) return;
  outcome.connections.lost = static_cast<double>(lost_ns_) / 1e9 / outcome.duration_s;
  const int64_t busiest_ns = *std::max_element(busy_ns_.begin(), busy_ns_.end());
  outcome.busiest_thread_share =
      std::min(1.0, static_cast<double>(busiest_ns) / 1e9 / outcome.duration_s);
}

}  // namespace ringload
