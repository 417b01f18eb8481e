// Expressions of --stop-on and --fail-if: what is understood, and what follows from figures.
#include "client/load/condition.h"

#include <gtest/gtest.h>

#include "tests/unit/load_sample.h"

namespace ringload {
namespace {

Condition parsed(std::string_view text) {
  const auto condition = parse_condition(text);
  EXPECT_TRUE(condition.has_value()) << condition.error().message();
  return condition.value_or(Condition{});
}

std::string refused(std::string_view text, ConditionUse use = ConditionUse::fail_if) {
  const auto condition = parse_condition(text, use);
  EXPECT_FALSE(condition.has_value()) << text;
  return condition ? "" : condition.error().message();
}

// "-" where nothing is violated.
std::string at_end(std::string_view text, const Outcome& outcome) {
  return violation(parsed(text), outcome).value_or("-");
}

std::string at_second(std::string_view text, const SecondRow& row, const TotalsSoFar& so_far = {}) {
  return violation(parsed(text), row, so_far).value_or("-");
}

TEST(Condition, has_a_metric_a_comparison_and_a_value_with_a_unit) {
  const Condition condition = parsed("p99.9 >= 1.5ms");
  EXPECT_EQ(condition.metric, Metric::p999);
  EXPECT_EQ(condition.comparison, Comparison::greater_equal);
  EXPECT_DOUBLE_EQ(condition.threshold, 1.5e6);
  EXPECT_EQ(condition.text, "p99.9 >= 1.5ms");
}

TEST(Condition, knows_its_units) {
  EXPECT_DOUBLE_EQ(parsed("max>700ns").threshold, 700);
  EXPECT_DOUBLE_EQ(parsed("p50>700us").threshold, 700e3);
  EXPECT_DOUBLE_EQ(parsed("p50>700µs").threshold, 700e3);
  EXPECT_DOUBLE_EQ(parsed("p9999<2 s").threshold, 2e9);
  EXPECT_DOUBLE_EQ(parsed("rate<10k").threshold, 10e3);
  EXPECT_DOUBLE_EQ(parsed("bytes==2MB").threshold, 2e6);
  EXPECT_DOUBLE_EQ(parsed("error_rate!=1%").threshold, 0.01);
  EXPECT_DOUBLE_EQ(parsed("error_rate>0.5").threshold, 0.5);
  EXPECT_DOUBLE_EQ(parsed("client_cpu>150%").threshold, 1.5);
  EXPECT_DOUBLE_EQ(parsed("free_ports<=100").threshold, 100);
}

TEST(Condition, p999_is_p99_point_9) {
  EXPECT_EQ(parsed("p999>1ms").metric, Metric::p999);
  EXPECT_EQ(parsed("p99.99>1ms").metric, Metric::p9999);
}

TEST(Condition, nonsense_is_refused_with_what_was_meant) {
  EXPECT_NE(refused("p98>5ms").find("did you mean p9"), std::string::npos);
  EXPECT_NE(refused("free_port<5").find("did you mean free_ports?"), std::string::npos);
  EXPECT_NE(refused("latency>5ms").find("The metrics: min p50"), std::string::npos);
  EXPECT_EQ(refused("latency>5ms").find("did you mean"), std::string::npos);
  EXPECT_NE(refused("p99").find("no comparison"), std::string::npos);
  EXPECT_NE(refused("p99=>5ms").find("no comparison '=>'"), std::string::npos);
  EXPECT_NE(refused("p99=5ms").find("one of > >= < <= == !="), std::string::npos);
}

TEST(Condition, a_value_must_fit_its_metric) {
  EXPECT_NE(refused("p99>5").find("a time needs a unit"), std::string::npos);
  EXPECT_NE(refused("p99>").find("'' is not a value"), std::string::npos);
  EXPECT_NE(refused("p99>5 minutes").find("is not a value"), std::string::npos);
  EXPECT_NE(refused("errors>1ms").find("'1ms' is not a value for errors"), std::string::npos);
  for (const char* text : {"errors>-1", "rate<nan", "rate<inf", "rate<1e999", "error_rate>2",
                           "error_rate>101%", "p99>5ms5", ">5ms", "", "p99>>5ms"}) {
    refused(text);
  }
}

TEST(Condition, a_second_keeps_fewer_percentiles_than_a_run) {
  EXPECT_TRUE(parse_condition("p95>1ms", ConditionUse::fail_if).has_value());
  EXPECT_NE(refused("p95>1ms", ConditionUse::stop_on).find("--stop-on knows: p50 p90"),
            std::string::npos);
  EXPECT_TRUE(parse_condition("p99>1ms", ConditionUse::stop_on).has_value());
}

TEST(FailIf, names_the_figure_that_breaks_the_condition) {
  Outcome outcome;
  outcome.duration_s = 2;
  outcome.requests = 1000;
  for (int i = 0; i < 100; ++i) outcome.latency_ns.record(7'200'000);
  EXPECT_EQ(at_end("p99>5ms", outcome), "p99>5ms: p99 is 7.20 ms");
  EXPECT_EQ(at_end("mean>7199us", outcome), "mean>7199us: mean is 7.20 ms");
  EXPECT_EQ(at_end("p99>8ms", outcome), "-");
  EXPECT_EQ(at_end("rate<501", outcome), "rate<501: rate is 500");
  EXPECT_EQ(at_end("rate<500", outcome), "-");
  EXPECT_EQ(at_end("rate<=500", outcome), "rate<=500: rate is 500");
  EXPECT_EQ(at_end("requests!=1k", outcome), "-");
  EXPECT_EQ(at_end("requests==1k", outcome), "requests==1k: requests is 1,000");
}

TEST(FailIf, counts_errors_against_all_that_came_to_an_end) {
  Outcome outcome;
  outcome.requests = 75;
  outcome.errors["recv"]["ECONNRESET"] = 20;
  outcome.errors["timeout"]["TIMEOUT"] = 5;
  EXPECT_EQ(at_end("errors>0", outcome), "errors>0: errors is 25");
  EXPECT_EQ(at_end("error_rate>=25%", outcome), "error_rate>=25%: error_rate is 25.0 %");
  EXPECT_EQ(at_end("error_rate>25%", outcome), "-");
}

TEST(FailIf, never_passes_where_there_is_no_value) {
  const Outcome nothing;
  EXPECT_EQ(at_end("p99>5ms", nothing), "p99>5ms: nothing was answered");
  EXPECT_EQ(at_end("p99<5ms", nothing), "p99<5ms: nothing was answered");
  EXPECT_EQ(at_end("rate<10", nothing), "rate<10: nothing was measured");
  EXPECT_EQ(at_end("error_rate>1%", nothing), "error_rate>1%: nothing was answered");
  EXPECT_EQ(at_end("server_cpu>1", nothing),
            "server_cpu>1: the server's CPU is unknown: --server-pid");
  EXPECT_EQ(at_end("free_ports<100", nothing), "free_ports<100: the sockets were not tracked");
  EXPECT_EQ(at_end("established<1", nothing), "established<1: the sockets were not tracked");
}

TEST(FailIf, judges_sockets_by_every_second) {
  const Outcome outcome = sample::outcome();  // TIME_WAIT 30, 50, 70, 90 after the warm-up's 10
  EXPECT_EQ(at_end("time_wait>=50", outcome), "time_wait>=50: time_wait is 50 after 2 s");
  EXPECT_EQ(at_end("time_wait>91", outcome), "time_wait>91: time_wait is 92 at some time");
  EXPECT_EQ(at_end("time_wait>92", outcome), "-");
  EXPECT_EQ(at_end("time_wait<15", outcome), "-") << "the warm-up does not count";
  EXPECT_EQ(at_end("free_ports<5", outcome), "free_ports<5: free_ports is 0 at some time");
  EXPECT_EQ(at_end("established!=8", outcome), "-");
}

TEST(StopOn, asks_the_second_and_the_run_so_far) {
  const SecondRow row = sample::row(3, false);
  TotalsSoFar so_far;
  so_far.requests = 900;
  so_far.errors = 100;
  so_far.connections_lost = 2.5;
  EXPECT_EQ(at_second("p99>200us", row), "p99>200us: p99 is 300 us after 3 s");
  EXPECT_EQ(at_second("p99>300us", row), "-");
  EXPECT_EQ(at_second("rate>999", row), "rate>999: rate is 1,000 after 3 s");
  EXPECT_EQ(at_second("errors>50", row, so_far), "errors>50: errors is 100 after 3 s");
  EXPECT_EQ(at_second("error_rate>=10%", row, so_far),
            "error_rate>=10%: error_rate is 10.0 % after 3 s");
  EXPECT_EQ(at_second("lost>2", row, so_far), "lost>2: lost is 2.50 after 3 s");
  EXPECT_EQ(at_second("free_ports<=30", row), "free_ports<=30: free_ports is 30 after 3 s");
  EXPECT_EQ(at_second("server_cpu>40%", row), "server_cpu>40%: server_cpu is 0.50 cores after 3 s");
}

TEST(StopOn, leaves_undecided_what_is_not_known_yet) {
  SecondRow row;
  row.length_s = 1;
  EXPECT_EQ(at_second("p99<5ms", row), "-");
  EXPECT_EQ(at_second("error_rate<1", row), "-");
  EXPECT_EQ(at_second("free_ports<5", row), "-");
  EXPECT_EQ(at_second("server_cpu<5", row), "-");
  row.length_s = 0.01;
  EXPECT_EQ(at_second("rate<5", row), "-") << "too short for a rate";
}

TEST(StopOn, is_silent_in_the_warmup) {
  EXPECT_EQ(at_second("p99>1us", sample::row(0, true)), "-");
  EXPECT_NE(at_second("p99>1us", sample::row(0, false)), "-");
}

}  // namespace
}  // namespace ringload
