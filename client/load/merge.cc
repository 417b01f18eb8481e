// Two runs are joined at a time: first those of each host, then those of different hosts.
#include "client/load/merge.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "client/load/report/files.h"
#include "client/load/report/json.h"

namespace ringload {
namespace {

enum class Hosts { same, different };

template <class T>
void add_new(std::vector<T>& all, const std::vector<T>& more) {
  for (const T& one : more) {
    if (std::find(all.begin(), all.end(), one) == all.end()) all.push_back(one);
  }
}

// "a", "a; b", but not "a; a".
void join_text(std::string& all, const std::string& more, const char* separator) {
  const std::string framed = separator + all + separator;
  if (more.empty() || framed.find(separator + more + separator) != std::string::npos) return;
  all += (all.empty() ? "" : separator) + more;
}

template <class T>
void keep_larger(T& value, const T& other) {
  value = std::max(value, other);
}

// What both saw where the host is the same, otherwise the sum of what each saw.
template <class T>
void join_seen(T& value, T other, Hosts hosts) {
  value = hosts == Hosts::same ? std::max(value, other) : value + other;
}

template <class T>
void join_seen(std::optional<T>& value, const std::optional<T>& other, Hosts hosts) {
  if (!value) {
    value = other;
  } else if (other) {
    join_seen(*value, *other, hosts);
  }
}

template <class T>
void keep_smaller(std::optional<T>& value, const std::optional<T>& other) {
  if (!value || (other && *other < *value)) value = other;
}

void join_ports_free(uint64_t& free, uint64_t other, Hosts hosts) {
  free = hosts == Hosts::same ? std::min(free, other) : free + other;
}

void join(RunFacts& facts, const RunFacts& other) {
  join_text(facts.version, other.version, ", ");
  join_text(facts.command_line, other.command_line, "; ");
  join_text(facts.kernel, other.kernel, ", ");
  join_text(facts.host, other.host, ", ");
  facts.started_at_s = std::min(facts.started_at_s, other.started_at_s);
  add_new(facts.urls, other.urls);
  facts.connections += other.connections;
  facts.threads += other.threads;
  keep_larger(facts.pipeline, other.pipeline);
  facts.rate_per_s += other.rate_per_s;
  keep_larger(facts.duration_wanted_s, other.duration_wanted_s);
  const bool both_counted = facts.requests_wanted > 0 && other.requests_wanted > 0;
  facts.requests_wanted = both_counted ? facts.requests_wanted + other.requests_wanted : 0;
  keep_larger(facts.warmup_s, other.warmup_s);
  keep_larger(facts.timeout_s, other.timeout_s);
  facts.new_connection = facts.new_connection || other.new_connection;
  keep_larger(facts.requests_per_connection, other.requests_per_connection);
}

void join(SocketSample& sample, const SocketSample& other, Hosts hosts) {
  if (!other.valid) return;
  if (!sample.valid) {
    sample = other;
    return;
  }
  join_seen(sample.time_wait, other.time_wait, hosts);
  join_seen(sample.time_wait_server, other.time_wait_server, hosts);
  join_seen(sample.time_wait_all, other.time_wait_all, hosts);
  join_seen(sample.established, other.established, hosts);
  join_ports_free(sample.ports_free, other.ports_free, hosts);
  sample.next_free_in_s = std::min(sample.next_free_in_s, other.next_free_in_s);
  keep_smaller(sample.exhausted_in_s, other.exhausted_in_s);
  join_seen(sample.listen_overflows, other.listen_overflows, hosts);
  join_seen(sample.listen_drops, other.listen_drops, hosts);
  join_seen(sample.time_wait_overflow, other.time_wait_overflow, hosts);
  join_seen(sample.time_wait_recycled, other.time_wait_recycled, hosts);
  join_seen(sample.retransmits, other.retransmits, hosts);
}

// The facts (range, sysctls) stay those of the first host: they cannot be added.
void join(SocketSummary& sockets, const SocketSummary& other, Hosts hosts) {
  if (!other.facts.tcp || other.looks == 0) return;
  if (!sockets.facts.tcp || sockets.looks == 0) {
    sockets = other;
    return;
  }
  join_seen(sockets.facts.sources, other.facts.sources, hosts);
  join_seen(sockets.forecast.ports_total, other.forecast.ports_total, hosts);
  join_seen(sockets.forecast.sustainable_per_s, other.forecast.sustainable_per_s, hosts);
  keep_larger(sockets.forecast.hold_s, other.forecast.hold_s);
  sockets.server_is_here = sockets.server_is_here || other.server_is_here;
  join_seen(sockets.time_wait_start, other.time_wait_start, hosts);
  join_seen(sockets.time_wait_peak, other.time_wait_peak, hosts);
  join_seen(sockets.time_wait_end, other.time_wait_end, hosts);
  join_seen(sockets.time_wait_server_peak, other.time_wait_server_peak, hosts);
  join_seen(sockets.time_wait_all_peak, other.time_wait_all_peak, hosts);
  join_seen(sockets.ports_total, other.ports_total, hosts);
  join_ports_free(sockets.ports_free_min, other.ports_free_min, hosts);
  join(sockets.last, other.last, hosts);
  if (hosts == Hosts::different) {
    sockets.sources.insert(sockets.sources.end(), other.sources.begin(), other.sources.end());
  }
  join_text(sockets.trouble, other.trouble, "; ");
  sockets.cost_cpu_s += other.cost_cpu_s;
  sockets.looks += other.looks;
  sockets.dumps += other.dumps;
}

void join(SecondRow& row, const SecondRow& other, Hosts hosts) {
  keep_larger(row.at_s, other.at_s);
  keep_larger(row.length_s, other.length_s);
  row.requests += other.requests;
  row.bytes += other.bytes;
  row.errors += other.errors;
  row.connections_opened += other.connections_opened;
  row.connected += other.connected;
  row.lost += other.lost;
  row.planned_rate_per_s += other.planned_rate_per_s;
  keep_larger(row.latency.p50_ns, other.latency.p50_ns);
  keep_larger(row.latency.p90_ns, other.latency.p90_ns);
  keep_larger(row.latency.p99_ns, other.latency.p99_ns);
  keep_larger(row.latency.p999_ns, other.latency.p999_ns);
  keep_larger(row.latency.max_ns, other.latency.max_ns);
  row.client_cpu_s += other.client_cpu_s;
  join_seen(row.server_cpu_s, other.server_cpu_s, hosts);
  join(row.sockets, other.sockets, hosts);
}

// Which second of the run a row is of: by its middle, so that a late clock does not matter.
double second_of(const SecondRow& row) { return std::floor(row.at_s - row.length_s / 2); }

void join(std::vector<SecondRow>& rows, const std::vector<SecondRow>& others, Hosts hosts) {
  for (const SecondRow& other : others) {
    const auto place = std::lower_bound(
        rows.begin(), rows.end(), second_of(other),
        [](const SecondRow& row, double second) { return second_of(row) < second; });
    if (place != rows.end() && second_of(*place) == second_of(other)) {
      join(*place, other, hosts);
    } else {
      rows.insert(place, other);
    }
  }
}

void join(std::optional<Exhaustion>& exhaustion, const std::optional<Exhaustion>& other) {
  if (!other) return;
  if (!exhaustion) {
    exhaustion = other;
    return;
  }
  const uint64_t failures = exhaustion->failures + other->failures;
  const double down_s = std::max(exhaustion->down_s, other->down_s);
  if (other->at_s < exhaustion->at_s) exhaustion = other;
  exhaustion->failures = failures;
  exhaustion->down_s = down_s;
}

void join(ConnectionCounts& connections, const ConnectionCounts& other) {
  connections.asked += other.asked;
  connections.opened += other.opened;
  connections.failed += other.failed;
  connections.reused += other.reused;
  connections.lost += other.lost;
}

void join(Outcome& outcome, const Outcome& other, Hosts hosts) {
  join(outcome.facts, other.facts);
  keep_larger(outcome.duration_s, other.duration_s);
  outcome.requests += other.requests;
  outcome.answered_late += other.answered_late;
  outcome.bytes += other.bytes;
  outcome.unanswered += other.unanswered;
  outcome.unsent += other.unsent;
  outcome.latency_ns.merge(other.latency_ns);
  outcome.schedule_error_ns.merge(other.schedule_error_ns);
  for (const auto& [phase, names] : other.errors) {
    for (const auto& [name, count] : names) outcome.errors[phase][name] += count;
  }
  for (const auto& [status, count] : other.statuses) outcome.statuses[status] += count;
  join(outcome.connections, other.connections);
  outcome.client_cpu_s += other.client_cpu_s;
  keep_larger(outcome.busiest_thread_share, other.busiest_thread_share);
  // On one host both were given the same server.
  join_seen(outcome.server_cpu_s, other.server_cpu_s, hosts);
  join(outcome.seconds, other.seconds, hosts);
  join(outcome.sockets, other.sockets, hosts);
  join(outcome.exhaustion, other.exhaustion);
  join_text(outcome.end_reason, other.end_reason, "; ");
  outcome.failed_conditions.insert(outcome.failed_conditions.end(), other.failed_conditions.begin(),
                                   other.failed_conditions.end());
}

bool is_same_run(const Outcome& a, const Outcome& b) {
  return a.facts.host == b.facts.host && a.facts.started_at_s == b.facts.started_at_s &&
         a.facts.command_line == b.facts.command_line && a.requests == b.requests &&
         a.latency_ns.sum() == b.latency_ns.sum();
}

net::Status check_mergeable(const std::vector<Outcome>& outcomes,
                            const std::vector<std::string>& names) {
  if (outcomes.empty()) return net::fail("merge: there is nothing to merge", 0, "name two files");
  for (size_t i = 0; i < outcomes.size(); ++i) {
    if (outcomes[i].facts.open_loop != outcomes[0].facts.open_loop) {
      return net::fail(
          fmt::format("merge: one of {} and {} is an open loop, the other a closed one", names[0],
                      names[i]),
          0, "latency from a planned time and service time cannot be mixed");
    }
    for (size_t j = 0; j < i; ++j) {
      if (!is_same_run(outcomes[i], outcomes[j])) continue;
      return net::fail(fmt::format("merge: {} and {} are the same run", names[j], names[i]), 0,
                       "name each file once");
    }
  }
  return {};
}

}  // namespace

net::Result<Outcome> merge(std::vector<Outcome> outcomes,
                           const std::vector<std::string>& file_names) {
  if (auto status = check_mergeable(outcomes, file_names); !status) {
    return tl::unexpected(status.error());
  }
  for (size_t i = 0; i < outcomes.size(); ++i) {
    for (std::string& condition : outcomes[i].failed_conditions) {
      condition = fmt::format("{}: {}", file_names[i], condition);
    }
  }
  std::vector<Outcome> hosts;
  for (Outcome& outcome : outcomes) {
    const auto host = std::find_if(hosts.begin(), hosts.end(), [&](const Outcome& known) {
      return known.facts.host == outcome.facts.host;
    });
    if (host == hosts.end()) {
      hosts.push_back(std::move(outcome));
    } else {
      join(*host, outcome, Hosts::same);
    }
  }
  Outcome all = std::move(hosts.front());
  for (size_t i = 1; i < hosts.size(); ++i) join(all, hosts[i], Hosts::different);
  all.merged_from = file_names;
  return all;
}

net::Result<Outcome> merge_files(const std::vector<std::string>& file_names) {
  std::vector<Outcome> outcomes;
  for (const std::string& name : file_names) {
    const auto text = read_file(name);
    if (!text) return tl::unexpected(text.error());
    auto outcome = from_json(*text, name);
    if (!outcome) return tl::unexpected(outcome.error());
    outcomes.push_back(std::move(*outcome));
  }
  return merge(std::move(outcomes), file_names);
}

}  // namespace ringload
