// A small but complete outcome of a run, with a different value in every field, for the tests of
// reports, conditions and merging. Pure: the same each time.
#pragma once

#include <cstdint>
#include <random>

#include "client/load/outcome.h"

namespace ringload::sample {

inline SocketSample sockets(uint64_t time_wait) {
  SocketSample sample;
  sample.valid = true;
  sample.time_wait = time_wait;
  sample.time_wait_server = 21;
  sample.time_wait_all = time_wait + 5;
  sample.established = 8;
  sample.ports_free = time_wait < 100 ? 100 - time_wait : 0;
  sample.next_free_in_s = 41.5;
  sample.exhausted_in_s = 3.25;
  sample.listen_overflows = 1;
  sample.listen_drops = 2;
  sample.time_wait_overflow = 3;
  sample.time_wait_recycled = 4;
  sample.retransmits = 6;
  return sample;
}

inline RunFacts facts() {
  RunFacts facts;
  facts.version = "1.2.3";
  facts.command_line = "ringload -c 8 'http://[::1]:8080/a b'";
  facts.kernel = "6.18.1";
  facts.host = "alpha";
  facts.started_at_s = 1'800'000'000.125;
  facts.urls = {"http://127.0.0.1:8080/index.html", "http://127.0.0.1:8080/\"quoted\""};
  facts.connections = 8;
  facts.threads = 2;
  facts.pipeline = 3;
  facts.duration_wanted_s = 4;
  facts.warmup_s = 1;
  facts.timeout_s = 7.5;
  facts.new_connection = true;
  facts.requests_per_connection = 11;
  facts.close_by = CloseBy::reset;
  facts.body = BodyMode::verify;
  return facts;
}

inline SocketSummary summary() {
  SocketSummary summary;
  summary.facts.range_first = 40000;
  summary.facts.range_last = 40099;
  summary.facts.reserved = 1;
  summary.facts.bound = 2;
  summary.facts.sources = 1;
  summary.facts.tw_reuse = 0;
  summary.facts.tw_reuse_delay_ms = 900;
  summary.facts.loopback = true;
  summary.facts.tw_buckets_max = 131072;
  summary.forecast = {100, false, 60, 100.0 / 60};
  summary.server_is_here = true;
  summary.time_wait_start = 1;
  summary.time_wait_peak = 92;
  summary.time_wait_end = 90;
  summary.time_wait_server_peak = 22;
  summary.time_wait_all_peak = 97;
  summary.ports_total = 100;
  summary.ports_free_min = 0;
  summary.last = sockets(90);
  summary.sources = {{"127.0.0.1", 8, 90, 2}};
  summary.trouble = "sock_diag: EAGAIN";
  summary.cost_cpu_s = 0.0123;
  summary.looks = 6;
  summary.dumps = 3;
  return summary;
}

inline Exhaustion exhaustion() {
  Exhaustion exhaustion;
  exhaustion.at_s = 2.5;
  exhaustion.failures = 77;
  exhaustion.down_s = 1.5;
  exhaustion.predicted_at_s = 2.625;
  exhaustion.at = sockets(92);
  exhaustion.at.ports_free = 0;
  exhaustion.forecast = summary().forecast;
  return exhaustion;
}

inline SecondRow row(double at_s, bool warmup) {
  SecondRow row;
  row.at_s = at_s;
  row.warmup = warmup;
  row.requests = 1000;
  row.bytes = 1'000'000;
  row.errors = warmup ? 0 : 3;
  row.connections_opened = 30;
  row.connected = 8;
  row.lost = 0.25;
  row.latency = {100'000, 200'000, 300'000, 400'000, 500'000};
  row.client_cpu_s = 0.25;
  row.server_cpu_s = 0.5;
  row.sockets = sockets(static_cast<uint64_t>(at_s * 20 + 10));
  return row;
}

// A closed loop of 4 s over 8 connections, in which ports ran out after 2.5 s. The seed decides
// the latencies: some 4000, around 250 us.
inline Outcome outcome(unsigned seed = 1) {
  Outcome outcome;
  outcome.facts = facts();
  outcome.duration_s = 4;
  std::mt19937_64 random(seed);
  std::lognormal_distribution<double> latency(12.4, 0.5);
  for (int i = 0; i < 4005; ++i) outcome.latency_ns.record(static_cast<uint64_t>(latency(random)));
  outcome.requests = 4000;
  outcome.answered_late = 5;
  outcome.bytes = 4'000'000;
  outcome.unanswered = 2;
  outcome.errors = {{"connect", {{"EADDRNOTAVAIL", 77}}}, {"status", {{"404", 12}}}};
  outcome.statuses = {{200, 4005}, {404, 12}};
  outcome.connections = {8, 120, 77, 3900, 1.75};
  outcome.client_cpu_s = 1.0625;
  outcome.busiest_thread_share = 0.4375;
  outcome.server_cpu_s = 2.125;
  for (int second = 0; second <= 4; ++second) outcome.seconds.push_back(row(second, second == 0));
  outcome.sockets = summary();
  outcome.exhaustion = exhaustion();
  outcome.end_reason = "the duration is over";
  outcome.failed_conditions = {"errors>0: errors is 89"};
  return outcome;
}

inline Outcome open_loop_outcome() {
  Outcome outcome = sample::outcome();
  outcome.facts.open_loop = true;
  outcome.facts.rate_per_s = 1250;
  outcome.unsent = 9;
  for (uint64_t ns = 1000; ns < 50'000; ns += 500) outcome.schedule_error_ns.record(ns);
  for (SecondRow& second : outcome.seconds) second.planned_rate_per_s = 1250;
  return outcome;
}

}  // namespace ringload::sample
