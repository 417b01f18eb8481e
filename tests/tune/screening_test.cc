// The arithmetic of measure and search: designs, effects, verdicts, and the words of options.
#include "client/tune/measure/screening.h"

#include <gtest/gtest.h>

#include <cmath>

#include "client/tune/measure/experiment.h"
#include "client/tune/measure/settings.h"
#include "client/tune/measure/setup.h"
#include "client/tune/measure/witnesses.h"

namespace {

using namespace ringtune;

TEST(Screening, any_two_factors_are_high_together_in_a_quarter_of_the_runs) {
  for (size_t factors = 1; factors <= kFactorsMax; ++factors) {
    const Design design = plackett_burman(factors).value();
    EXPECT_GT(design.size(), factors);
    for (size_t a = 0; a < factors; ++a) {
      for (size_t b = a; b < factors; ++b) {
        size_t together = 0;
        for (const auto& run : design) together += run.at(a) && run.at(b) ? 1 : 0;
        EXPECT_EQ(together, design.size() / (a == b ? 2 : 4)) << factors << ": " << a << ", " << b;
      }
    }
  }
  EXPECT_FALSE(plackett_burman(0));
  EXPECT_FALSE(plackett_burman(kFactorsMax + 1));
}

TEST(Screening, effects_that_are_multiplied_are_found_apart) {
  const std::vector<double> planted = {2, 1, 0.25, 1, 1.1, 1, 1};
  const Design design = plackett_burman(planted.size()).value();
  for (const Design& one : {design, mirrored(design)}) {
    std::vector<double> results;
    for (const auto& run : one) {
      double result = 1000;
      for (size_t i = 0; i < planted.size(); ++i) result *= run.at(i) ? planted[i] : 1;
      results.push_back(result);
    }
    for (size_t i = 0; i < planted.size(); ++i) {
      EXPECT_NEAR(effect_of(one, i, results), planted[i], 1e-9);
    }
  }
}

TEST(Screening, the_mirror_cancels_what_two_factors_do_only_together) {
  const Design design = plackett_burman(3).value();
  const Design mirror = mirrored(design);
  const auto results_of = [](const Design& one) {
    std::vector<double> results;
    for (const auto& run : one) results.push_back(run[0] == run[1] ? 8 : 2);
    return results;
  };
  const double there = effect_of(design, 2, results_of(design));
  const double mirrored_effect = effect_of(mirror, 2, results_of(mirror));
  EXPECT_GT(std::abs(std::log(there)), 0.5);
  EXPECT_NEAR(there * mirrored_effect, 1, 1e-9);
}

measure::Comparison interval(double low, double high) {
  return {measure::kPairsMin, std::sqrt(low * high), low, high, measure::Verdict::kUnclear};
}

TEST(Judgement, is_of_the_interval_and_of_what_is_better) {
  const auto quiet = interval(0.99, 1.01);
  EXPECT_EQ(judge(interval(1.1, 1.3), quiet, true), Finding::better);
  EXPECT_EQ(judge(interval(1.1, 1.3), quiet, false), Finding::worse);
  EXPECT_EQ(judge(interval(0.5, 0.9), quiet, true), Finding::worse);
  EXPECT_EQ(judge(interval(0.5, 0.9), quiet, false), Finding::better);
  EXPECT_EQ(judge(interval(0.9, 1.1), quiet, true), Finding::no_difference);
}

TEST(Judgement, of_a_noisy_machine_needs_more_than_its_noise) {
  const auto noisy = interval(1.1, 1.5);
  EXPECT_FALSE(contains_one(noisy));
  EXPECT_EQ(judge(interval(1.2, 1.4), noisy, true), Finding::unclear);
  EXPECT_EQ(judge(interval(0.7, 0.9), noisy, true), Finding::unclear);
  EXPECT_EQ(judge(interval(0.9, 1.1), noisy, true), Finding::unclear);
  EXPECT_EQ(judge(interval(2, 3), noisy, true), Finding::better);
  EXPECT_EQ(judge(interval(0.1, 0.2), noisy, true), Finding::worse);
}

TEST(Judgement, of_too_few_pairs_is_unclear) {
  auto few = interval(2, 3);
  few.pairs = measure::kPairsMin - 1;
  EXPECT_EQ(judge(few, interval(1, 1), true), Finding::unclear);
}

TEST(Witnesses, those_far_from_the_baseline_come_first) {
  const auto samples = [](CounterValues counters) {
    return SubjectSamples{{Sample{{1}, counters}, Sample{{1}, counters}, Sample{{1}, counters}}};
  };
  const auto witnesses = witnesses_of(
      samples({{"ListenOverflows", 50}, {"OutSegs", 100}, {"SomethingElse", 9}, {"TW", 2}}),
      samples({{"OutSegs", 90}}));
  ASSERT_EQ(witnesses.size(), 3U);
  EXPECT_EQ(witnesses[0].name, "ListenOverflows");
  EXPECT_TRUE(witnesses[0].is_telling);
  EXPECT_EQ(witnesses[0].baseline, 0);
  EXPECT_EQ(witnesses[0].value, 50);
  for (size_t i = 1; i < witnesses.size(); ++i) EXPECT_FALSE(witnesses[i].is_telling);
}

TEST(Trial, takes_values_by_commas_or_semicolons) {
  const Trial ports = parse_trial("net.ipv4.ip_local_port_range=1024  65535,40000 40099").value();
  EXPECT_EQ(ports.values, (std::vector<std::string>{"1024 65535", "40000 40099"}));
  const Trial reserved = parse_trial("net/ipv4/ip_local_reserved_ports=1,2;3").value();
  EXPECT_EQ(reserved.name, "net.ipv4.ip_local_reserved_ports");
  EXPECT_EQ(reserved.values, (std::vector<std::string>{"1,2", "3"}));
  for (const char* bad : {"", "=1", "a=", "a", "a=1,,2", "a=1,1", "a=1,"}) {
    EXPECT_FALSE(parse_trial(bad)) << bad;
  }
}

TEST(Rate, is_in_bits_a_second) {
  EXPECT_EQ(parse_rate("1Gbit").value(), 1e9);
  EXPECT_EQ(parse_rate("2.5M").value(), 2.5e6);
  EXPECT_EQ(parse_rate("64kbit").value(), 64e3);
  EXPECT_EQ(parse_rate("100000").value(), 1e5);
  for (const char* bad : {"", "fast", "10MB", "1", "-5M", "0"})
    EXPECT_FALSE(parse_rate(bad)) << bad;
}

}  // namespace
