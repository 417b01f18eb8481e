// Which field stands under which key: one description, which the writer and the reader of the JSON
// both follow, so that they cannot drift apart. A Visitor is called with a key and a field; what it
// calls `derived` follows from the other fields and is written only.
#pragma once

#include "client/load/outcome.h"
#include "client/load/report/derived.h"

namespace ringload::json {

// T& for the reader, const T& for the writer.
template <class Visitor, class T>
using Field = typename Visitor::template Reference<T>;

template <class Visitor>
void visit(Visitor& v, Field<Visitor, RunFacts> run) {
  v("command_line", run.command_line);
  v("kernel", run.kernel);
  v("host", run.host);
  v("started_at_s", run.started_at_s);
  v("urls", run.urls);
  v("connections", run.connections);
  v("threads", run.threads);
  v("pipeline", run.pipeline);
  v("open_loop", run.open_loop);
  v("rate_per_s", run.rate_per_s);
  v("duration_wanted_s", run.duration_wanted_s);
  v("requests_wanted", run.requests_wanted);
  v("warmup_s", run.warmup_s);
  v("timeout_s", run.timeout_s);
  v("new_connection", run.new_connection);
  v("requests_per_connection", run.requests_per_connection);
  v("close_by", run.close_by);
  v("body", run.body);
}

template <class Visitor>
void visit(Visitor& v, Field<Visitor, ConnectionCounts> connections) {
  v("asked", connections.asked);
  v("opened", connections.opened);
  v("failed", connections.failed);
  v("reused", connections.reused);
  v("lost", connections.lost);
}

template <class Visitor>
void visit(Visitor& v, Field<Visitor, PortFacts> facts) {
  v("range_first", facts.range_first);
  v("range_last", facts.range_last);
  v("reserved", facts.reserved);
  v("bound", facts.bound);
  v("sources", facts.sources);
  v("destinations", facts.destinations);
  v("tw_reuse", facts.tw_reuse);
  v("tw_reuse_delay_ms", facts.tw_reuse_delay_ms);
  v("timestamps", facts.timestamps);
  v("loopback", facts.loopback);
  v("tw_buckets_max", facts.tw_buckets_max);
  v("closes_first", facts.closes_first);
}

template <class Visitor>
void visit(Visitor& v, Field<Visitor, Forecast> forecast) {
  v("ports_total", forecast.ports_total);
  v("time_wait_reusable", forecast.time_wait_reusable);
  v("hold_s", forecast.hold_s);
  v("sustainable_per_s", forecast.sustainable_per_s);
}

template <class Visitor>
void visit(Visitor& v, Field<Visitor, SocketSample> sample) {
  v("valid", sample.valid);
  v("time_wait", sample.time_wait);
  v("time_wait_server", sample.time_wait_server);
  v("time_wait_all", sample.time_wait_all);
  v("established", sample.established);
  v("ports_free", sample.ports_free);
  v("next_free_in_s", sample.next_free_in_s);
  v("exhausted_in_s", sample.exhausted_in_s);
  v("listen_overflows", sample.listen_overflows);
  v("listen_drops", sample.listen_drops);
  v("time_wait_overflow", sample.time_wait_overflow);
  v("time_wait_recycled", sample.time_wait_recycled);
  v("retransmits", sample.retransmits);
}

template <class Visitor>
void visit(Visitor& v, Field<Visitor, SourceUse> source) {
  v("address", source.address);
  v("in_use", source.in_use);
  v("time_wait", source.time_wait);
  v("free", source.free);
}

template <class Visitor>
void visit(Visitor& v, Field<Visitor, Exhaustion> exhaustion) {
  v("at_s", exhaustion.at_s);
  v("failures", exhaustion.failures);
  v("down_s", exhaustion.down_s);
  v("predicted_at_s", exhaustion.predicted_at_s);
  v("at", exhaustion.at);
  v("forecast", exhaustion.forecast);
}

// The members of `sockets`; the key is null for Unix sockets.
template <class Visitor>
void visit(Visitor& v, Field<Visitor, SocketSummary> sockets,
           Field<Visitor, std::optional<Exhaustion>> exhaustion) {
  v("time_wait_start", sockets.time_wait_start);
  v("time_wait_peak", sockets.time_wait_peak);
  v("time_wait_end", sockets.time_wait_end);
  v("time_wait_server_peak", sockets.time_wait_server_peak);
  v("time_wait_all_peak", sockets.time_wait_all_peak);
  v("ports_total", sockets.ports_total);
  v("ports_free_min", sockets.ports_free_min);
  using Time = std::optional<double>;
  v.derived("exhausted_at_s", [&] { return exhaustion ? Time(exhaustion->at_s) : Time(); });
  v.derived("predicted_exhaustion_at_s",
            [&] { return exhaustion ? exhaustion->predicted_at_s : Time(); });
  v.derived("sustainable_per_s", [&] { return sockets.forecast.sustainable_per_s; });
  v.derived("hold_s", [&] { return sockets.forecast.hold_s; });
  v.derived("time_wait_reusable", [&] { return sockets.forecast.time_wait_reusable; });
  v("server_is_here", sockets.server_is_here);
  v("facts", sockets.facts);
  v("forecast", sockets.forecast);
  v("sources", sockets.sources);
  v("last", sockets.last);
  v.derived("listen_overflows", [&] { return sockets.last.listen_overflows; });
  v.derived("listen_drops", [&] { return sockets.last.listen_drops; });
  v.derived("time_wait_overflow", [&] { return sockets.last.time_wait_overflow; });
  v.derived("time_wait_recycled", [&] { return sockets.last.time_wait_recycled; });
  v.derived("retransmits", [&] { return sockets.last.retransmits; });
  v("trouble", sockets.trouble);
  v("cost_cpu_s", sockets.cost_cpu_s);
  v("looks", sockets.looks);
  v("dumps", sockets.dumps);
  v("exhaustion", exhaustion);
}

template <class Visitor>
void visit(Visitor& v, Field<Visitor, Percentiles> latency) {
  v("p50", latency.p50_ns);
  v("p90", latency.p90_ns);
  v("p99", latency.p99_ns);
  v("p999", latency.p999_ns);
  v("max", latency.max_ns);
}

template <class Visitor>
void visit(Visitor& v, Field<Visitor, SecondRow> row) {
  v("at_s", row.at_s);
  v("length_s", row.length_s);
  v("warmup", row.warmup);
  v("requests", row.requests);
  v("bytes", row.bytes);
  v("errors", row.errors);
  v("connections_opened", row.connections_opened);
  v("connected", row.connected);
  v("lost", row.lost);
  v("planned_rate_per_s", row.planned_rate_per_s);
  v("latency_ns", row.latency);
  v("client_cpu_s", row.client_cpu_s);
  v("server_cpu_s", row.server_cpu_s);
  v("sockets", row.sockets);
}

template <class Visitor>
void visit(Visitor& v, Field<Visitor, Outcome> outcome) {
  v("ringload", outcome.facts.version);
  v.format();
  v("run", outcome.facts);
  v("requests", outcome.requests);
  v("answered_late", outcome.answered_late);
  v("unanswered", outcome.unanswered);
  v("unsent", outcome.unsent);
  v("bytes", outcome.bytes);
  v("duration_s", outcome.duration_s);
  v.derived("rate_per_s", [&] { return rate_per_s(outcome); });
  v.derived("bytes_per_s", [&] { return bytes_per_s(outcome); });
  v.derived("latency_us", [&] { return v.latency_us(outcome.latency_ns); });
  v.derived("latency_kind",
            [&] { return outcome.facts.open_loop ? "from_planned_time" : "service_time"; });
  v.derived("schedule_error_us", [&] { return v.schedule_error_us(outcome.schedule_error_ns); });
  v("errors", outcome.errors);
  v.derived("errors_total", [&] { return total_of(outcome.errors); });
  v("statuses", outcome.statuses);
  v("connections", outcome.connections);
  v("client_cpu_s", outcome.client_cpu_s);
  v("client_busiest_thread_share", outcome.busiest_thread_share);
  v("server_cpu_s", outcome.server_cpu_s);
  v.sockets("sockets", outcome.sockets, outcome.exhaustion);
  v("seconds", outcome.seconds);
  v("end_reason", outcome.end_reason);
  v("failed_conditions", outcome.failed_conditions);
  v("merged_from", outcome.merged_from);
  v("histogram", outcome.latency_ns);
  v("schedule_error_histogram", outcome.schedule_error_ns);
}

}  // namespace ringload::json
