// Joins the two ways of looking: counters each time, a census of the sockets when its price allows.
// Between two censuses the counters tell how TIME_WAIT has changed since the last one, and the
// remaining times found then tell when ports come back. It must never cost what it measures: the
// price of a census decides when the next may be.
#include "client/load/sockets/tracker.h"

#include <poll.h>
#include <time.h>

#include <algorithm>
#include <map>

#include "client/load/sockets/census.h"
#include "client/load/sockets/forecast.h"
#include "client/load/sockets/surroundings.h"
#include "common/net/sock_diag.h"
#include "common/net/tcp_counters.h"

namespace ringload {
namespace {

// The share of a core that censuses may take: a half of the 1 % that all looking may, since the
// counters cost something too.
constexpr int kPartingLooksMax = 20;
constexpr int kPartingLookMs = 5;
constexpr double kCensusCpuShare = 0.005;
// Not more often than the looks, which come every second, give or take a wake-up.
constexpr double kCensusIntervalMinS = 0.9;

double clock_s(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);  // cannot fail for these clocks
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

double now_s() { return clock_s(CLOCK_MONOTONIC); }
double thread_cpu_s() { return clock_s(CLOCK_THREAD_CPUTIME_ID); }

uint64_t saturating_add(uint64_t value, double change) {
  return static_cast<uint64_t>(std::max(0.0, static_cast<double>(value) + change + 0.5));
}

// Nothing to see: Unix sockets have no ports and no TIME_WAIT.
class NoSockets final : public SocketTracker {
 public:
  NoSockets() {
    summary_.facts.tcp = false;
    summary_.forecast = forecast_of(summary_.facts);
  }

  const PortFacts& facts() const override { return summary_.facts; }
  const Forecast& forecast() const override { return summary_.forecast; }
  SocketSample look(double) override { return {}; }
  SocketSample look_closely(double) override { return {}; }
  SocketSummary summary() override { return summary_; }

 private:
  SocketSummary summary_;
};

class TcpTracker final : public SocketTracker {
 public:
  TcpTracker(std::unique_ptr<net::SockDiag> diag, std::unique_ptr<net::TcpCounterReader> reader,
             Surroundings around)
      : diag_(std::move(diag)), reader_(std::move(reader)), around_(std::move(around)) {
    summary_.facts = around_.facts;
    summary_.forecast = forecast_of(around_.facts);
    summary_.server_is_here = around_.server_is_here;
    summary_.ports_total = summary_.forecast.ports_total;
  }

  net::Status begin();

  const PortFacts& facts() const override { return summary_.facts; }
  const Forecast& forecast() const override { return summary_.forecast; }
  SocketSample look(double new_connections_per_s) override {
    return paid_look(new_connections_per_s, census_is_affordable());
  }
  SocketSample look_closely(double new_connections_per_s) override {
    return paid_look(new_connections_per_s, true);
  }
  SocketSummary summary() override;

 private:
  bool census_is_affordable() const;
  SocketSample paid_look(double new_connections_per_s, bool closely);
  net::Status refresh(bool closely);
  net::Status take_new_census();
  void carry_on(const net::TcpCounters& before);
  double our_share() const;
  SocketSample estimate(double new_connections_per_s) const;
  void keep_extremes(const SocketSample& sample);
  std::vector<SourceUse> use_by_source() const;

  std::unique_ptr<net::SockDiag> diag_;
  std::unique_ptr<net::TcpCounterReader> reader_;
  Surroundings around_;

  net::TcpCounters at_start_;
  net::TcpCounters counters_;  // of the last look
  double looked_at_s_ = 0;

  Census census_;  // of the last dump; its releases also hold what came since
  uint64_t held_at_census_ = 0;
  net::TcpCounters at_census_;
  double census_at_s_ = 0;
  double census_cost_s_ = 0;

  SocketSummary summary_;
};

net::Status TcpTracker::begin() {
  const double cpu_s = thread_cpu_s();
  auto counters = reader_->read();
  if (!counters) return tl::unexpected(counters.error());
  at_start_ = counters_ = *counters;
  looked_at_s_ = now_s();
  if (auto status = take_new_census(); !status) return status;
  const SocketSample first = estimate(0);
  summary_.time_wait_start = first.time_wait;
  summary_.ports_free_min = first.ports_free;
  keep_extremes(first);
  summary_.looks += 1;
  summary_.cost_cpu_s += thread_cpu_s() - cpu_s;
  return {};
}

bool TcpTracker::census_is_affordable() const {
  const double interval_s = std::max(kCensusIntervalMinS, census_cost_s_ / kCensusCpuShare);
  return now_s() - census_at_s_ >= interval_s;
}

SocketSample TcpTracker::paid_look(double new_connections_per_s, bool closely) {
  const double cpu_s = thread_cpu_s();
  SocketSample sample;
  if (auto status = refresh(closely); status) {
    sample = estimate(new_connections_per_s);
    keep_extremes(sample);
  } else {
    summary_.trouble = status.error().message();
    summary_.last.valid = false;
  }
  summary_.looks += 1;
  summary_.cost_cpu_s += thread_cpu_s() - cpu_s;
  return sample;
}

net::Status TcpTracker::refresh(bool closely) {
  const auto counters = reader_->read();
  if (!counters) return tl::unexpected(counters.error());
  const net::TcpCounters before = std::exchange(counters_, *counters);
  carry_on(before);
  looked_at_s_ = now_s();
  return closely ? take_new_census() : net::Status{};
}

net::Status TcpTracker::take_new_census() {
  const double cpu_s = thread_cpu_s();
  const double at_s = now_s();
  auto census = take_census(*diag_, around_, at_s);
  // A failed one is paid for as well, and delays the next.
  census_cost_s_ = thread_cpu_s() - cpu_s;
  census_at_s_ = at_s;
  summary_.dumps += 1;
  if (!census) return tl::unexpected(census.error());
  census_ = std::move(*census);
  held_at_census_ = census_.releases.held(at_s);
  at_census_ = counters_;
  return {};
}

// Those that entered TIME_WAIT since the last look did so, on average, half way between.
void TcpTracker::carry_on(const net::TcpCounters& before) {
  const double entered =
      static_cast<double>(counters_.time_wait_entered - before.time_wait_entered) * our_share();
  const double middle_s = (looked_at_s_ + now_s()) / 2;
  census_.releases.add(middle_s + summary_.forecast.hold_s, saturating_add(0, entered));
}

// Of the sockets in TIME_WAIT toward the targets, the part on our side.
double TcpTracker::our_share() const {
  const uint64_t both = census_.time_wait + census_.time_wait_server;
  if (both > 0) return static_cast<double>(census_.time_wait) / static_cast<double>(both);
  return around_.facts.closes_first ? 1 : 0;
}

SocketSample TcpTracker::estimate(double new_connections_per_s) const {
  const Forecast& forecast = summary_.forecast;
  const double change =
      static_cast<double>(counters_.time_wait) - static_cast<double>(at_census_.time_wait);
  SocketSample sample;
  sample.valid = true;
  sample.time_wait = saturating_add(census_.time_wait, change * our_share());
  if (around_.server_is_here) {
    sample.time_wait_server = saturating_add(census_.time_wait_server, change * (1 - our_share()));
  }
  sample.time_wait_all = counters_.time_wait;
  sample.established = census_.established;

  // sockstat counts every end of a TIME_WAIT as it happens; where the port can be had earlier,
  // only the calendar knows.
  const double held_change = forecast.time_wait_reusable
                                 ? static_cast<double>(census_.releases.held(looked_at_s_)) -
                                       static_cast<double>(held_at_census_)
                                 : change * our_share();
  sample.ports_free =
      std::min(forecast.ports_total, saturating_add(census_.ports_free, -held_change));
  sample.next_free_in_s =
      std::min(kTimeWaitS, census_.releases.next_in_s(looked_at_s_).value_or(0));
  sample.exhausted_in_s =
      seconds_to_exhaustion(forecast, sample.ports_free, census_.releases.per_second(looked_at_s_),
                            new_connections_per_s * our_share());

  sample.listen_overflows = counters_.listen_overflows - at_start_.listen_overflows;
  sample.listen_drops = counters_.listen_drops - at_start_.listen_drops;
  sample.time_wait_overflow = counters_.time_wait_overflow - at_start_.time_wait_overflow;
  sample.time_wait_recycled = counters_.time_wait_recycled - at_start_.time_wait_recycled;
  sample.retransmits = counters_.retransmitted_segments - at_start_.retransmitted_segments;
  return sample;
}

void TcpTracker::keep_extremes(const SocketSample& sample) {
  summary_.last = sample;
  summary_.time_wait_end = sample.time_wait;
  summary_.time_wait_peak = std::max(summary_.time_wait_peak, sample.time_wait);
  summary_.time_wait_all_peak = std::max(summary_.time_wait_all_peak, sample.time_wait_all);
  summary_.ports_free_min = std::min(summary_.ports_free_min, sample.ports_free);
  if (sample.time_wait_server) {
    summary_.time_wait_server_peak =
        std::max(summary_.time_wait_server_peak.value_or(0), *sample.time_wait_server);
  }
}

std::vector<SourceUse> TcpTracker::use_by_source() const {
  std::map<net::Endpoint, SourceUse> uses;
  const uint64_t per_pair = around_.usable.count();
  for (size_t i = 0; i < around_.pairs.size(); ++i) {
    SourceUse& use = uses[around_.pairs[i].source];
    const PairUse& pair = census_.pairs[i];
    use.address = around_.pairs[i].source.host_text();
    use.in_use += pair.in_use;
    use.time_wait += pair.time_wait;
    use.free += per_pair - std::min(per_pair, pair.blocked);
  }
  std::vector<SourceUse> sorted;
  sorted.reserve(uses.size());
  for (auto& [source, use] : uses) sorted.push_back(std::move(use));
  return sorted;
}

SocketSummary TcpTracker::summary() {
  // What was closed just now is in TIME_WAIT when the server has closed too; no event tells.
  look_closely(0);
  for (int i = 0; i < kPartingLooksMax && census_.parting > 0; ++i) {
    ::poll(nullptr, 0, kPartingLookMs);
    look_closely(0);
  }
  summary_.sources = use_by_source();
  return summary_;
}

}  // namespace

net::Result<std::unique_ptr<SocketTracker>> SocketTracker::start(const TrackedRun& run) {
  const bool tcp = std::none_of(run.targets.begin(), run.targets.end(),
                                [](const net::Address& target) { return target.is_unix(); });
  if (!tcp || run.targets.empty()) return std::make_unique<NoSockets>();

  auto diag = net::SockDiag::open();
  if (!diag) return tl::unexpected(diag.error());
  auto reader = net::TcpCounterReader::open();
  if (!reader) return tl::unexpected(reader.error());
  auto around = look_around(**diag, run.targets, run.sources);
  if (!around) return tl::unexpected(around.error());
  around->facts.closes_first = run.closes_first;

  auto tracker =
      std::make_unique<TcpTracker>(std::move(*diag), std::move(*reader), std::move(*around));
  if (auto status = tracker->begin(); !status) return tl::unexpected(status.error());
  return tracker;
}

}  // namespace ringload
