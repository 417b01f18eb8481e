// Merging results of several generators: exact, or refused.
#include "client/load/merge.h"

#include <gtest/gtest.h>

#include "client/load/report/json.h"
#include "tests/unit/load_sample.h"

namespace ringload {
namespace {

Outcome on_host(const std::string& host, unsigned seed) {
  Outcome outcome = sample::outcome(seed);
  outcome.facts.host = host;
  return outcome;
}

Outcome merged(std::vector<Outcome> outcomes) {
  std::vector<std::string> names;
  for (char name = 'A'; names.size() < outcomes.size(); ++name) {
    names.push_back(std::string(1, name) + ".json");
  }
  auto result = merge(std::move(outcomes), names);
  EXPECT_TRUE(result.has_value()) << result.error().message();
  return result ? *result : Outcome{};
}

std::string refused(std::vector<Outcome> outcomes, const std::vector<std::string>& names) {
  const auto result = merge(std::move(outcomes), names);
  EXPECT_FALSE(result.has_value());
  return result ? "" : result.error().message();
}

TEST(Merge, of_two_runs_equals_one_run_of_both_sample_sets) {
  Outcome a = on_host("alpha", 1);
  Outcome b = on_host("beta", 2);
  a.latency_ns.clear();
  b.latency_ns.clear();
  measure::Histogram both;
  std::mt19937_64 random(3);
  std::exponential_distribution<double> latency(1 / 3e5);
  for (int i = 0; i < 100'000; ++i) {
    const auto ns = static_cast<uint64_t>(latency(random));
    both.record(ns);
    (i % 3 == 0 ? a : b).latency_ns.record(ns);
  }
  const Outcome all = merged({a, b});
  EXPECT_EQ(all.latency_ns.state(), both.state());
  for (const double quantile : {0.5, 0.9, 0.99, 0.999, 0.9999, 1.0}) {
    EXPECT_EQ(all.latency_ns.at_quantile(quantile), both.at_quantile(quantile));
  }
  EXPECT_EQ(all.latency_ns.mean(), both.mean());
}

TEST(Merge, adds_counts_and_keeps_the_longest_duration) {
  const Outcome a = on_host("alpha", 1);
  Outcome b = on_host("beta", 2);
  b.duration_s = 5;
  b.errors["recv"]["ECONNRESET"] = 4;
  b.statuses[503] = 6;
  const Outcome all = merged({a, b});
  EXPECT_EQ(all.duration_s, 5);
  EXPECT_EQ(all.requests, 8000u);
  EXPECT_EQ(all.bytes, 8'000'000u);
  EXPECT_EQ(all.unanswered, 4u);
  EXPECT_EQ(all.errors.at("connect").at("EADDRNOTAVAIL"), 154u);
  EXPECT_EQ(all.errors.at("recv").at("ECONNRESET"), 4u);
  EXPECT_EQ(all.statuses.at(200), 8010u);
  EXPECT_EQ(all.statuses.at(503), 6u);
  EXPECT_EQ(all.connections.asked, 16u);
  EXPECT_EQ(all.connections.lost, 3.5);
  EXPECT_EQ(all.client_cpu_s, 2.125);
  EXPECT_EQ(all.facts.connections, 16u);
  EXPECT_EQ(all.facts.host, "alpha, beta");
  EXPECT_EQ(all.facts.urls, a.facts.urls);
  EXPECT_EQ(all.end_reason, "the duration is over");
  EXPECT_EQ(all.failed_conditions.at(1), "B.json: errors>0: errors is 89");
  EXPECT_EQ(all.merged_from, (std::vector<std::string>{"A.json", "B.json"}));
}

TEST(Merge, joins_rows_by_their_second) {
  Outcome a = on_host("alpha", 1);
  Outcome b = on_host("beta", 2);
  for (SecondRow& row : b.seconds) row.at_s += 0.004;  // a late clock
  b.seconds[2].latency.p99_ns = 900'000;
  b.seconds.push_back(sample::row(5, false));
  const Outcome all = merged({a, b});
  ASSERT_EQ(all.seconds.size(), 6u);
  EXPECT_TRUE(all.seconds[0].warmup);
  EXPECT_EQ(all.seconds[2].requests, 2000u);
  EXPECT_EQ(all.seconds[2].latency.p99_ns, 900'000u);
  EXPECT_EQ(all.seconds[2].sockets.time_wait, 100u);
  EXPECT_EQ(all.seconds[2].server_cpu_s, 1.0);
  EXPECT_EQ(all.seconds[5].requests, 1000u);
}

TEST(Merge, adds_sockets_of_hosts_and_counts_those_of_one_host_once) {
  const Outcome two_hosts = merged({on_host("alpha", 1), on_host("beta", 2)});
  EXPECT_EQ(two_hosts.sockets.ports_total, 200u);
  EXPECT_EQ(two_hosts.sockets.time_wait_peak, 184u);
  EXPECT_EQ(two_hosts.sockets.sources.size(), 2u);
  EXPECT_EQ(two_hosts.server_cpu_s, 4.25);

  const Outcome one_host = merged({on_host("alpha", 1), on_host("alpha", 2)});
  EXPECT_EQ(one_host.sockets.ports_total, 100u);
  EXPECT_EQ(one_host.sockets.time_wait_peak, 92u);
  EXPECT_EQ(one_host.server_cpu_s, 2.125);

  const Outcome three = merged({on_host("alpha", 1), on_host("beta", 2), on_host("alpha", 3)});
  EXPECT_EQ(three.sockets.ports_total, 200u);
  EXPECT_EQ(three.requests, 12000u);
}

TEST(Merge, keeps_the_first_exhaustion_and_all_its_failures) {
  Outcome a = on_host("alpha", 1);
  Outcome b = on_host("beta", 2);
  b.exhaustion->at_s = 1.5;
  b.exhaustion->failures = 3;
  const Outcome all = merged({a, b});
  EXPECT_EQ(all.exhaustion->at_s, 1.5);
  EXPECT_EQ(all.exhaustion->failures, 80u);
}

TEST(Merge, survives_its_own_file) {
  const Outcome all = merged({on_host("alpha", 1), on_host("beta", 2)});
  const auto again = from_json(to_json(all), "merged.json");
  ASSERT_TRUE(again.has_value()) << again.error().message();
  EXPECT_EQ(to_json(*again), to_json(all));
}

TEST(Merge, refuses_what_cannot_be_mixed) {
  Outcome open = sample::open_loop_outcome();
  open.facts.host = "beta";
  EXPECT_EQ(refused({on_host("alpha", 1), open}, {"A.json", "B.json"}),
            "merge: one of A.json and B.json is an open loop, the other a closed one - latency "
            "from a planned time and service time cannot be mixed");
  EXPECT_EQ(refused({on_host("alpha", 1), on_host("alpha", 1)}, {"A.json", "copy.json"}),
            "merge: A.json and copy.json are the same run - name each file once");
  EXPECT_EQ(refused({}, {}), "merge: there is nothing to merge - name two files");
}

TEST(Merge, names_the_file_that_cannot_be_read) {
  const auto result = merge_files({"/nowhere/A.json"});
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().message(), "open /nowhere/A.json: ENOENT (No such file or directory)");
}

}  // namespace
}  // namespace ringload
