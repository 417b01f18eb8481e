// One table of metrics and one of units; everything else reads them.
#include "client/load/condition.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <span>
#include <utility>

#include "client/load/report/derived.h"
#include "client/load/report/format.h"
#include "common/cli/mistakes.h"

namespace ringload {
namespace {

enum class Kind { latency, count, bytes, share, cores };

struct MetricName {
  Metric metric;
  Kind kind;
  const char* name;
  bool each_second;  // has a value in every SecondRow
  double quantile;   // of a percentile
};

constexpr double kNone = -1;
constexpr std::array kMetrics{
    MetricName{Metric::min, Kind::latency, "min", false, kNone},
    MetricName{Metric::p50, Kind::latency, "p50", true, 0.5},
    MetricName{Metric::p75, Kind::latency, "p75", false, 0.75},
    MetricName{Metric::p90, Kind::latency, "p90", true, 0.9},
    MetricName{Metric::p95, Kind::latency, "p95", false, 0.95},
    MetricName{Metric::p99, Kind::latency, "p99", true, 0.99},
    MetricName{Metric::p999, Kind::latency, "p99.9", true, 0.999},
    MetricName{Metric::p9999, Kind::latency, "p99.99", false, 0.9999},
    MetricName{Metric::max, Kind::latency, "max", true, kNone},
    MetricName{Metric::mean, Kind::latency, "mean", false, kNone},
    MetricName{Metric::rate, Kind::count, "rate", true, kNone},
    MetricName{Metric::errors, Kind::count, "errors", true, kNone},
    MetricName{Metric::error_rate, Kind::share, "error_rate", true, kNone},
    MetricName{Metric::requests, Kind::count, "requests", true, kNone},
    MetricName{Metric::bytes, Kind::bytes, "bytes", true, kNone},
    MetricName{Metric::free_ports, Kind::count, "free_ports", true, kNone},
    MetricName{Metric::time_wait, Kind::count, "time_wait", true, kNone},
    MetricName{Metric::established, Kind::count, "established", true, kNone},
    MetricName{Metric::lost, Kind::count, "lost", true, kNone},
    MetricName{Metric::client_cpu, Kind::cores, "client_cpu", true, kNone},
    MetricName{Metric::server_cpu, Kind::cores, "server_cpu", true, kNone},
};

struct Unit {
  const char* name;
  double size;
};
constexpr std::array kLatencyUnits{Unit{"ns", 1}, Unit{"us", 1e3},
                                   Unit{"\u00b5s", 1e3},  // the micro sign
                                   Unit{"ms", 1e6}, Unit{"s", 1e9}};
constexpr std::array kCountUnits{Unit{"", 1}, Unit{"k", 1e3}, Unit{"M", 1e6}, Unit{"G", 1e9}};
constexpr std::array kByteUnits{Unit{"", 1},     Unit{"B", 1},    Unit{"kB", 1e3},
                                Unit{"MB", 1e6}, Unit{"GB", 1e9}, Unit{"TB", 1e12}};
constexpr std::array kShareUnits{Unit{"", 1}, Unit{"%", 0.01}};

std::span<const Unit> units_of(Kind kind) {
  switch (kind) {
    case Kind::latency: return kLatencyUnits;
    case Kind::count: return kCountUnits;
    case Kind::bytes: return kByteUnits;
    case Kind::share:
    case Kind::cores: break;
  }
  return kShareUnits;
}

const MetricName& name_of(Metric metric) {
  return *std::find_if(kMetrics.begin(), kMetrics.end(),
                       [&](const MetricName& name) { return name.metric == metric; });
}

std::string metric_list(ConditionUse use) {
  std::vector<std::string_view> names;
  for (const MetricName& metric : kMetrics) {
    if (metric.each_second || use == ConditionUse::fail_if) names.push_back(metric.name);
  }
  return fmt::format("{}", fmt::join(names, " "));
}

std::string near_miss(std::string_view wrong) {
  std::vector<std::string> names;
  for (const MetricName& metric : kMetrics) names.emplace_back(metric.name);
  const std::string near = cli::nearest_name(names, wrong);
  return near.empty() ? near : fmt::format("did you mean {}? ", near);
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

const MetricName* find_metric(std::string_view name) {
  if (name == "p999") name = "p99.9";
  if (name == "p9999") name = "p99.99";
  for (const MetricName& metric : kMetrics) {
    if (metric.name == name) return &metric;
  }
  return nullptr;
}

std::optional<Comparison> find_comparison(std::string_view text) {
  if (text == ">") return Comparison::greater;
  if (text == ">=") return Comparison::greater_equal;
  if (text == "<") return Comparison::less;
  if (text == "<=") return Comparison::less_equal;
  if (text == "==") return Comparison::equal;
  if (text == "!=") return Comparison::not_equal;
  return std::nullopt;
}

std::string unit_advice(const MetricName& metric) {
  switch (metric.kind) {
    case Kind::latency:
      return fmt::format("a time needs a unit: ns us ms s, as in {}>5ms", metric.name);
    case Kind::count: return fmt::format("a number, or one with k M G, as in {}<10k", metric.name);
    case Kind::bytes: return "a number, or one with kB MB GB TB";
    case Kind::share:
      return fmt::format("a share from 0 to 1, or one with %, as in {}>1%", metric.name);
    case Kind::cores: break;
  }
  return fmt::format("a number of cores, or one with %, as in {}>150%", metric.name);
}

net::Result<double> parse_threshold(const std::string& where, std::string_view text,
                                    const MetricName& metric) {
  double number = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number);
  if (error != std::errc() || !std::isfinite(number) || number < 0) {
    return net::fail(fmt::format("{}: '{}' is not a value for {}", where, text, metric.name), 0,
                     unit_advice(metric));
  }
  const std::string_view unit = trimmed({end, static_cast<size_t>(last - end)});
  for (const Unit& known : units_of(metric.kind)) {
    if (unit != known.name) continue;
    const double threshold = number * known.size;
    if (metric.kind == Kind::share && threshold > 1) break;
    return threshold;
  }
  return net::fail(fmt::format("{}: '{}' is not a value for {}", where, text, metric.name), 0,
                   unit_advice(metric));
}

bool holds(const Condition& condition, double value) {
  switch (condition.comparison) {
    case Comparison::greater: return value > condition.threshold;
    case Comparison::greater_equal: return value >= condition.threshold;
    case Comparison::less: return value < condition.threshold;
    case Comparison::less_equal: return value <= condition.threshold;
    case Comparison::equal: return value == condition.threshold;
    case Comparison::not_equal: break;
  }
  return value != condition.threshold;
}

std::string value_text(Kind kind, double value) {
  switch (kind) {
    case Kind::latency: return latency_text(value);
    case Kind::bytes: return bytes_text(value);
    case Kind::share: return percent_text(value);
    case Kind::cores: return fmt::format("{:.2f} cores", value);
    case Kind::count: break;
  }
  return value == std::floor(value) && value < 1e15 ? grouped(static_cast<uint64_t>(value))
                                                    : fmt::format("{:.2f}", value);
}

std::string reason(const Condition& condition, double value, std::string_view when = {}) {
  const MetricName& name = name_of(condition.metric);
  return fmt::format("{}: {} is {}{}", condition.text, name.name, value_text(name.kind, value),
                     when);
}

// A figure, or why there is none.
using Value = tl::expected<double, std::string>;

Value none(std::string why) { return tl::unexpected(std::move(why)); }

Value latency_at_end(const MetricName& metric, const measure::Histogram& latency_ns) {
  if (latency_ns.empty()) return none("nothing was answered");
  switch (metric.metric) {
    case Metric::min: return static_cast<double>(latency_ns.min());
    case Metric::max: return static_cast<double>(latency_ns.max());
    case Metric::mean: return latency_ns.mean();
    default: return static_cast<double>(latency_ns.at_quantile(metric.quantile));
  }
}

Value value_at_end(const MetricName& metric, const Outcome& outcome) {
  if (metric.kind == Kind::latency) return latency_at_end(metric, outcome.latency_ns);
  const uint64_t errors = total_of(outcome.errors);
  const auto over_time = [&](double amount) -> Value {
    if (outcome.duration_s > 0) return amount / outcome.duration_s;
    return none("nothing was measured");
  };
  switch (metric.metric) {
    case Metric::rate: return over_time(static_cast<double>(outcome.requests));
    case Metric::errors: return static_cast<double>(errors);
    case Metric::error_rate:
      if (errors + outcome.requests == 0) return none("nothing was answered");
      return error_share(errors, outcome.requests);
    case Metric::requests: return static_cast<double>(outcome.requests);
    case Metric::bytes: return static_cast<double>(outcome.bytes);
    case Metric::lost: return outcome.connections.lost;
    case Metric::client_cpu: return over_time(outcome.client_cpu_s);
    case Metric::server_cpu:
      if (!outcome.server_cpu_s) return none("the server's CPU is unknown: --server-pid");
      return over_time(*outcome.server_cpu_s);
    default: break;
  }
  return none("the sockets were not tracked");
}

bool is_of_sockets(Metric metric) {
  return metric == Metric::free_ports || metric == Metric::time_wait ||
         metric == Metric::established;
}

double socket_value(Metric metric, const SocketSample& sample) {
  if (metric == Metric::free_ports) return static_cast<double>(sample.ports_free);
  if (metric == Metric::time_wait) return static_cast<double>(sample.time_wait);
  return static_cast<double>(sample.established);
}

// Any second may break the condition, and so may what was seen between the rows.
std::optional<std::string> socket_violation(const Condition& condition, const Outcome& outcome) {
  bool seen = false;
  for (const SecondRow& row : outcome.seconds) {
    if (row.warmup || !row.sockets.valid) continue;
    seen = true;
    const double value = socket_value(condition.metric, row.sockets);
    const std::string when = fmt::format(" after {}", seconds_text(row.at_s));
    if (holds(condition, value)) return reason(condition, value, when);
  }
  const SocketSummary& sockets = outcome.sockets;
  std::vector<double> extremes;
  if (sockets_tracked(outcome) && condition.metric == Metric::free_ports) {
    extremes = {static_cast<double>(sockets.ports_free_min)};
  } else if (sockets_tracked(outcome) && condition.metric == Metric::time_wait) {
    extremes = {static_cast<double>(sockets.time_wait_peak),
                static_cast<double>(sockets.time_wait_end)};
  }
  for (const double value : extremes) {
    if (holds(condition, value)) return reason(condition, value, " at some time");
  }
  if (seen || !extremes.empty()) return std::nullopt;
  return condition.text + ": the sockets were not tracked";
}

// None where the row does not tell.
std::optional<double> value_of_second(Metric metric, const SecondRow& row,
                                      const TotalsSoFar& so_far) {
  // A shorter row, as the last one may be, says little about a rate.
  constexpr double kShortestSecond = 0.5;
  const auto per_second = [&](double amount) -> std::optional<double> {
    if (row.length_s < kShortestSecond) return std::nullopt;
    return amount / row.length_s;
  };
  const auto latency = [&](uint64_t ns) -> std::optional<double> {
    if (row.latency.max_ns == 0) return std::nullopt;
    return static_cast<double>(ns);
  };
  if (is_of_sockets(metric)) {
    if (!row.sockets.valid) return std::nullopt;
    return socket_value(metric, row.sockets);
  }
  switch (metric) {
    case Metric::p50: return latency(row.latency.p50_ns);
    case Metric::p90: return latency(row.latency.p90_ns);
    case Metric::p99: return latency(row.latency.p99_ns);
    case Metric::p999: return latency(row.latency.p999_ns);
    case Metric::max: return latency(row.latency.max_ns);
    case Metric::rate: return per_second(static_cast<double>(row.requests));
    case Metric::errors: return static_cast<double>(so_far.errors);
    case Metric::error_rate:
      if (so_far.errors + so_far.requests == 0) return std::nullopt;
      return error_share(so_far.errors, so_far.requests);
    case Metric::requests: return static_cast<double>(so_far.requests);
    case Metric::bytes: return static_cast<double>(so_far.bytes);
    case Metric::lost: return so_far.connections_lost;
    case Metric::client_cpu: return per_second(row.client_cpu_s);
    case Metric::server_cpu: return row.server_cpu_s ? per_second(*row.server_cpu_s) : std::nullopt;
    default: return std::nullopt;
  }
}

}  // namespace

net::Result<Condition> parse_condition(std::string_view text, ConditionUse use) {
  const std::string where = fmt::format("condition '{}'", text);
  const size_t from = text.find_first_of("<>=!");
  if (from == std::string_view::npos) {
    return net::fail(where + ": no comparison", 0, "write METRIC OP VALUE, as in 'p99>5ms'");
  }
  const size_t to = std::min(text.find_first_not_of("<>=!", from), text.size());
  const std::string_view name = trimmed(text.substr(0, from));
  const MetricName* metric = find_metric(name);
  if (metric == nullptr) {
    return net::fail(fmt::format("{}: there is no metric '{}'", where, name), 0,
                     near_miss(name) + "The metrics: " + metric_list(use));
  }
  if (use == ConditionUse::stop_on && !metric->each_second) {
    return net::fail(fmt::format("{}: {} is not known each second", where, name), 0,
                     "--stop-on knows: " + metric_list(use));
  }
  const auto comparison = find_comparison(text.substr(from, to - from));
  if (!comparison) {
    return net::fail(
        fmt::format("{}: there is no comparison '{}'", where, text.substr(from, to - from)), 0,
        "one of > >= < <= == !=");
  }
  const auto threshold = parse_threshold(where, trimmed(text.substr(to)), *metric);
  if (!threshold) return tl::unexpected(threshold.error());
  return Condition{std::string(text), metric->metric, *comparison, *threshold};
}

std::optional<std::string> violation(const Condition& condition, const Outcome& outcome) {
  if (is_of_sockets(condition.metric)) return socket_violation(condition, outcome);
  const Value value = value_at_end(name_of(condition.metric), outcome);
  if (!value) return fmt::format("{}: {}", condition.text, value.error());
  if (!holds(condition, *value)) return std::nullopt;
  return reason(condition, *value);
}

std::optional<std::string> violation(const Condition& condition, const SecondRow& row,
                                     const TotalsSoFar& so_far) {
  if (row.warmup) return std::nullopt;
  const auto value = value_of_second(condition.metric, row, so_far);
  if (!value || !holds(condition, *value)) return std::nullopt;
  return reason(condition, *value, fmt::format(" after {}", seconds_text(row.at_s)));
}

}  // namespace ringload
