// The arithmetic of ephemeral ports. Pure: it knows no socket and no clock, only numbers that
// others read.
#include "client/load/sockets/forecast.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace ringload {
namespace {

// Less than this many ports missing is a rounding error of the simulation.
constexpr double kRoundingPorts = 1e-6;

uint64_t ports_per_pair(const PortFacts& facts) {
  const uint64_t range = facts.range_last - facts.range_first + 1;
  return range - std::min<uint64_t>(range, uint64_t{facts.reserved} + facts.bound);
}

std::string counted(unsigned count, const char* thing) {
  return fmt::format("{} {}{}", count, thing, count == 1 ? "" : "s");
}

// Rounded down: what is said to go on for ever must not be too much.
std::string rate_text(double rate_per_s) {
  if (rate_per_s >= 10) return fmt::format("{:.0f}", std::floor(rate_per_s));
  return fmt::format("{:.2f}", rate_per_s);
}

}  // namespace

Forecast forecast_of(const PortFacts& facts) {
  Forecast forecast;
  if (!facts.tcp) return Forecast{.hold_s = 0};
  forecast.ports_total = ports_per_pair(facts) * facts.sources * facts.destinations;
  forecast.time_wait_reusable =
      facts.timestamps && (facts.tw_reuse == 1 || (facts.tw_reuse == 2 && facts.loopback));
  forecast.hold_s = forecast.time_wait_reusable ? facts.tw_reuse_delay_ms / 1000.0 : kTimeWaitS;
  forecast.sustainable_per_s = static_cast<double>(forecast.ports_total) / forecast.hold_s;
  return forecast;
}

std::optional<double> seconds_to_exhaustion(const Forecast& forecast, uint64_t ports_free,
                                            const std::vector<uint64_t>& releases,
                                            double new_connections_per_s) {
  if (new_connections_per_s <= 0) return std::nullopt;
  // Later than this nothing changes any more: the ports held now are back, and as many come back
  // as are taken.
  const double end_s = std::max(static_cast<double>(releases.size()), forecast.hold_s) + 1;
  double free = static_cast<double>(ports_free);
  for (double at_s = 0; at_s < end_s;) {
    // A step ends where a second ends, or where the first of the new connections gives its port
    // back.
    const double next_second_s = std::floor(at_s) + 1;
    const bool own_ports_return = at_s >= forecast.hold_s;
    const double next_s =
        own_ports_return ? next_second_s : std::min(next_second_s, forecast.hold_s);
    const double step_s = next_s - at_s;
    const auto second = static_cast<size_t>(at_s);
    const double released_per_s =
        (second < releases.size() ? static_cast<double>(releases[second]) : 0) +
        (own_ports_return ? new_connections_per_s : 0);
    const double change = (released_per_s - new_connections_per_s) * step_s;
    if (free + change < -kRoundingPorts) {
      return at_s + std::max(0.0, free) / -change * step_s;
    }
    free += change;
    at_s = next_s;
  }
  return std::nullopt;
}

std::string explain(const PortFacts& facts, const Forecast& forecast) {
  if (!facts.tcp) return "a Unix socket takes no port: there is nothing to run out of";
  std::string text =
      fmt::format("{} ports x {} x {}", ports_per_pair(facts), counted(facts.sources, "source"),
                  counted(facts.destinations, "destination"));
  if (!facts.closes_first) {
    return text +
           ": the server closes first, TIME_WAIT is on its side, and a port here is free "
           "as soon as its connection has ended";
  }
  text += fmt::format(", each held {:g} s{}: {} new connections a second can go on for ever",
                      forecast.hold_s,
                      forecast.time_wait_reusable ? " (then tcp_tw_reuse takes it over)" : "",
                      rate_text(forecast.sustainable_per_s));
  if (facts.tw_buckets_max > 0 && forecast.ports_total > facts.tw_buckets_max) {
    text += fmt::format(
        "; more, in fact: beyond {} sockets in TIME_WAIT (tcp_max_tw_buckets) the kernel forgets "
        "them at once, and their ports are free",
        facts.tw_buckets_max);
  }
  return text;
}

}  // namespace ringload
