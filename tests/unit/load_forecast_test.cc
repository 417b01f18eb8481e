// The arithmetic of ports: forecasts, the simulation of exhaustion, the calendar of releases, and
// that advice is given only where it would change something.
#include "client/load/sockets/forecast.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "client/load/sockets/census.h"
#include "client/load/sockets/release_times.h"

namespace {

using ringload::Forecast;
using ringload::forecast_of;
using ringload::PortFacts;

PortFacts default_facts() {
  PortFacts facts;
  facts.range_first = 32768;
  facts.range_last = 60999;
  facts.tw_reuse = 0;
  facts.tw_buckets_max = 131072;
  return facts;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

bool any_contains(const std::vector<std::string>& texts, const std::string& part) {
  return std::any_of(texts.begin(), texts.end(),
                     [&part](const std::string& text) { return contains(text, part); });
}

TEST(Forecast, ports_are_the_range_times_sources_times_destinations) {
  PortFacts facts = default_facts();
  EXPECT_EQ(28232U, forecast_of(facts).ports_total);
  facts.sources = 4;
  EXPECT_EQ(4U * 28232, forecast_of(facts).ports_total);
  facts.destinations = 3;
  EXPECT_EQ(12U * 28232, forecast_of(facts).ports_total);
  facts.reserved = 1000;
  facts.bound = 232;
  EXPECT_EQ(12U * 27000, forecast_of(facts).ports_total);
  facts.reserved = 60000;
  EXPECT_EQ(0U, forecast_of(facts).ports_total);
}

struct ReuseCase {
  const char* name;
  int tw_reuse;
  bool timestamps;
  bool loopback;
  unsigned delay_ms;
  bool reusable;
  double hold_s;
};

class ReuseTest : public testing::TestWithParam<ReuseCase> {};

TEST_P(ReuseTest, decides_how_long_a_port_is_held) {
  PortFacts facts = default_facts();
  facts.tw_reuse = GetParam().tw_reuse;
  facts.timestamps = GetParam().timestamps;
  facts.loopback = GetParam().loopback;
  facts.tw_reuse_delay_ms = GetParam().delay_ms;
  const Forecast forecast = forecast_of(facts);
  EXPECT_EQ(GetParam().reusable, forecast.time_wait_reusable);
  EXPECT_DOUBLE_EQ(GetParam().hold_s, forecast.hold_s);
  EXPECT_DOUBLE_EQ(28232 / GetParam().hold_s, forecast.sustainable_per_s);
}

INSTANTIATE_TEST_SUITE_P(
    All, ReuseTest,
    testing::Values(ReuseCase{"off", 0, true, true, 1000, false, 60},
                    ReuseCase{"on", 1, true, false, 1000, true, 1},
                    ReuseCase{"on_loopback", 1, true, true, 1000, true, 1},
                    ReuseCase{"loopback_only", 2, true, true, 1000, true, 1},
                    ReuseCase{"loopback_only_elsewhere", 2, true, false, 1000, false, 60},
                    ReuseCase{"without_timestamps", 1, false, true, 1000, false, 60},
                    ReuseCase{"short_delay", 1, true, false, 250, true, 0.25}),
    [](const auto& each) { return each.param.name; });

TEST(Forecast, a_unix_socket_has_no_ports) {
  const Forecast forecast = forecast_of(PortFacts{.tcp = false});
  EXPECT_EQ(0U, forecast.ports_total);
  EXPECT_EQ(0, forecast.sustainable_per_s);
}

struct ExhaustionCase {
  const char* name;
  double hold_s;
  uint64_t ports_free;
  std::vector<uint64_t> releases;
  double rate_per_s;
  std::optional<double> exhausted_in_s;
};

class ExhaustionTest : public testing::TestWithParam<ExhaustionCase> {};

TEST_P(ExhaustionTest, is_simulated) {
  const ExhaustionCase& the = GetParam();
  Forecast forecast;
  forecast.hold_s = the.hold_s;
  const auto in_s =
      ringload::seconds_to_exhaustion(forecast, the.ports_free, the.releases, the.rate_per_s);
  EXPECT_NEAR(the.exhausted_in_s.value_or(-1), in_s.value_or(-1), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(
    All, ExhaustionTest,
    testing::Values(
        ExhaustionCase{"nothing_is_opened", 60, 0, {}, 0, std::nullopt},
        ExhaustionCase{"all_free_and_fast", 60, 28232, {}, 1000, 28.232},
        ExhaustionCase{"a_rate_that_lasts", 60, 28232, {}, 470, std::nullopt},
        ExhaustionCase{"exactly_sustainable", 60, 28232, {}, 28232.0 / 60, std::nullopt},
        ExhaustionCase{"a_little_too_fast", 60, 28232, {}, 471, 28232.0 / 471},
        ExhaustionCase{"taken_over_in_time", 1, 28232, {}, 28000, std::nullopt},
        ExhaustionCase{"too_fast_to_take_over", 1, 28232, {}, 30000, 28232.0 / 30000},
        ExhaustionCase{"half_a_second_lasts", 0.5, 100, {}, 200, std::nullopt},
        ExhaustionCase{"half_a_second_does_not", 0.5, 100, {}, 250, 0.4},
        ExhaustionCase{"nothing_is_free", 60, 0, {}, 10, 0},
        ExhaustionCase{"nothing_is_free_but_ports_come_back", 60, 0, std::vector<uint64_t>(60, 10),
                       10, std::nullopt},
        ExhaustionCase{"ports_come_back_too_slowly", 60, 60, std::vector<uint64_t>(60, 10), 40, 2},
        ExhaustionCase{"ports_come_back_later_than_needed", 60, 50, {0, 0, 0, 0, 0, 0, 100}, 10, 5},
        ExhaustionCase{"ports_come_back_before_they_are_needed",
                       60,
                       50,
                       {0, 0, 0, 0, 1000},
                       10,
                       std::nullopt}),
    [](const auto& each) { return each.param.name; });

TEST(Explain, names_every_factor) {
  PortFacts facts = default_facts();
  EXPECT_EQ(
      "28232 ports x 1 source x 1 destination, each held 60 s: 470 new connections a second can go "
      "on for ever",
      ringload::explain(facts, forecast_of(facts)));
  facts.sources = 2;
  facts.destinations = 3;
  facts.tw_reuse = 1;
  facts.tw_buckets_max = 1000000;
  EXPECT_EQ(
      "28232 ports x 2 sources x 3 destinations, each held 1 s (then tcp_tw_reuse takes it over): "
      "169392 new connections a second can go on for ever",
      ringload::explain(facts, forecast_of(facts)));
}

TEST(Explain, small_rates_keep_their_decimals) {
  PortFacts facts = default_facts();
  facts.range_first = 40000;
  facts.range_last = 40099;
  EXPECT_TRUE(contains(ringload::explain(facts, forecast_of(facts)), "60 s: 1.67 new"));
}

TEST(Explain, says_where_the_limit_of_time_wait_comes_first) {
  PortFacts facts = default_facts();
  EXPECT_FALSE(contains(ringload::explain(facts, forecast_of(facts)), "tcp_max_tw_buckets"));
  facts.tw_buckets_max = 10000;
  EXPECT_TRUE(contains(ringload::explain(facts, forecast_of(facts)), "beyond 10000 sockets"));
}

TEST(Explain, says_when_ports_do_not_wait_here) {
  PortFacts facts = default_facts();
  facts.closes_first = false;
  EXPECT_TRUE(contains(ringload::explain(facts, forecast_of(facts)), "the server closes first"));
  EXPECT_TRUE(contains(ringload::explain(PortFacts{.tcp = false}, {}), "Unix"));
}

TEST(Remedies, have_the_numbers_of_this_case) {
  const auto remedies = ringload::remedies_for(default_facts());
  EXPECT_TRUE(any_contains(remedies.helps, "1024-65535 would give 64512 ports: 1075/s"));
  EXPECT_TRUE(any_contains(remedies.helps, "twice as many would give 56464 ports: 941/s"));
  EXPECT_TRUE(any_contains(remedies.helps, "tcp_tw_reuse=1 (it is 0, off)"));
  EXPECT_TRUE(any_contains(remedies.helps, "28232 ports: 28232/s"));
  EXPECT_TRUE(any_contains(remedies.helps, "keep-alive"));
  EXPECT_TRUE(any_contains(remedies.helps, "--close-by server"));
  EXPECT_TRUE(any_contains(remedies.does_not_help, "tcp_fin_timeout"));
  EXPECT_TRUE(any_contains(remedies.does_not_help, "tcp_tw_recycle"));
}

TEST(Remedies, leave_out_what_would_change_nothing) {
  PortFacts facts = default_facts();
  facts.range_first = 1024;
  facts.range_last = 65535;
  facts.tw_reuse = 1;
  facts.closes_first = false;
  const auto remedies = ringload::remedies_for(facts);
  EXPECT_FALSE(any_contains(remedies.helps, "ip_local_port_range"));
  EXPECT_FALSE(any_contains(remedies.helps, "tcp_tw_reuse"));
  EXPECT_FALSE(any_contains(remedies.helps, "--close-by"));
  EXPECT_TRUE(any_contains(remedies.does_not_help, "tcp_tw_reuse: it applies already"));
  EXPECT_TRUE(ringload::remedies_for(PortFacts{.tcp = false}).helps.empty());
}

TEST(Remedies, say_why_reuse_does_not_apply_yet) {
  PortFacts facts = default_facts();
  facts.tw_reuse = 2;
  EXPECT_TRUE(any_contains(ringload::remedies_for(facts).helps, "for loopback only"));
  facts.loopback = true;
  EXPECT_FALSE(any_contains(ringload::remedies_for(facts).helps, "tcp_tw_reuse=1"));
  facts.timestamps = false;
  EXPECT_TRUE(any_contains(ringload::remedies_for(facts).helps,
                           "net.ipv4.tcp_timestamps=1 (without timestamps"));
  EXPECT_FALSE(any_contains(ringload::remedies_for(facts).helps, "tcp_tw_reuse=1"));
}

TEST(ReleaseTimes, what_is_held_comes_free_in_its_second) {
  ringload::ReleaseTimes releases(100);
  EXPECT_FALSE(releases.next_in_s(100).has_value());
  releases.add(100.01, 1);
  releases.add(102.5, 20);
  releases.add(159.9, 300);
  EXPECT_EQ(321U, releases.held(100));
  EXPECT_EQ(320U, releases.held(101));
  EXPECT_EQ(300U, releases.held(103));
  EXPECT_EQ(0U, releases.held(170));
  EXPECT_NEAR(0.05, releases.next_in_s(100).value(), 1e-6);
  EXPECT_NEAR(1.5, releases.next_in_s(101).value(), 0.0501);
  const auto seconds = releases.per_second(100);
  ASSERT_EQ(60U, seconds.size());
  EXPECT_EQ(1U, seconds[0]);
  EXPECT_EQ(20U, seconds[2]);
  EXPECT_EQ(300U, seconds[59]);
  EXPECT_EQ(20U, releases.per_second(101.9)[0]);
}

TEST(ReleaseTimes, nothing_is_lost_beyond_the_horizon_or_before_the_start) {
  ringload::ReleaseTimes releases(100);
  releases.add(5, 1);
  releases.add(1e9, 2);
  EXPECT_EQ(3U, releases.held(100));
  EXPECT_EQ(2U, releases.held(500));
}

TEST(BlockedFor, time_wait_is_blocked_until_it_may_be_taken_over) {
  net::SeenSocket socket;
  socket.state = net::TcpState::time_wait;
  socket.expires_in_ms = 59800;  // 200 ms old
  EXPECT_EQ(59800U, ringload::blocked_for_ms(socket, false, 1000));
  EXPECT_EQ(800U, ringload::blocked_for_ms(socket, true, 1000));
  EXPECT_EQ(0U, ringload::blocked_for_ms(socket, true, 100));
  socket.expires_in_ms = 0;  // overdue, but there
  EXPECT_EQ(1U, ringload::blocked_for_ms(socket, false, 1000));
  EXPECT_EQ(0U, ringload::blocked_for_ms(socket, true, 1000));
  socket.state = net::TcpState::fin_wait2;
  socket.expires_in_ms = 30000;
  EXPECT_EQ(30000U, ringload::blocked_for_ms(socket, true, 1000));
}

}  // namespace
