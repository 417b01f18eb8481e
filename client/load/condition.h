// The expressions of --stop-on and --fail-if: METRIC OP VALUE[UNIT], as in 'p99>5ms'. Pure: reads
// figures, never acts on them. A metric without a value never passes silently at the end.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "client/load/outcome.h"
#include "common/net/result.h"

namespace ringload {

enum class Metric {
  min,
  p50,
  p75,
  p90,
  p95,
  p99,
  p999,
  p9999,
  max,
  mean,  // latency
  rate,
  errors,
  error_rate,
  requests,
  bytes,
  free_ports,
  time_wait,
  established,  // of connections to the targets
  lost,
  client_cpu,
  server_cpu,
};

enum class Comparison { greater, greater_equal, less, less_equal, equal, not_equal };

struct Condition {
  std::string text;  // as it was given
  Metric metric = Metric::p99;
  Comparison comparison = Comparison::greater;
  double threshold = 0;  // latency in ns; shares and CPU as 1 = 100 %; everything else a count
};

// --stop-on is asked each second, of which fewer percentiles are kept.
enum class ConditionUse { fail_if, stop_on };

// Errors name what was not understood, and the metric or unit that was probably meant.
net::Result<Condition> parse_condition(std::string_view text,
                                       ConditionUse use = ConditionUse::fail_if);

// --fail-if, at the end: the reason ("p99>5ms: p99 is 7.20 ms") where the condition holds, and
// where its metric has no value ("p99>5ms: nothing was answered"); none where it does not hold.
// Ports and sockets are judged by every second of the run, not by the last one alone.
std::optional<std::string> violation(const Condition& condition, const Outcome& outcome);

struct TotalsSoFar {  // of the measured part
  uint64_t requests = 0;
  uint64_t bytes = 0;
  uint64_t errors = 0;
  double connections_lost = 0;  // missing through failures now, or on average so far
};

// --stop-on, after each second: latency, rate and CPU are of that second, errors, requests and
// bytes of the run so far, sockets of now. None as well where a value is not yet known and in the
// warm-up.
std::optional<std::string> violation(const Condition& condition, const SecondRow& row,
                                     const TotalsSoFar& so_far);

}  // namespace ringload
