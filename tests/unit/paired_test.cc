// Paired comparisons against simulated measurements whose true ratio is known: how often the
// interval holds it, what drift does, and which input is refused.
#include "common/measure/paired.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <random>
#include <string>

namespace measure {
namespace {

using Random = std::mt19937_64;

constexpr int kRuns = 2000;
constexpr double kTrueRatio = 1.05;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The logarithm of a round's a/b is that of the true ratio plus a draw of `noise`, whose median is
// 0.
struct Noise {
  const char* name;
  std::function<double(Random&)> draw;
};

double normal(Random& random) { return std::normal_distribution<double>()(random); }
double exponential(Random& random) { return std::exponential_distribution<double>()(random); }
double uniform(Random& random) { return std::uniform_real_distribution<double>()(random); }

double sometimes_late(Random& random) {
  const double late = uniform(random) < 0.15 ? 0.3 * exponential(random) : 0;
  return 0.01 * normal(random) + late;
}

const Noise kNormal{"log_normal", [](Random& random) { return 0.02 * normal(random); }};
const Noise kHeavyTails{"heavy_tails", [](Random& random) {
                          return 0.02 * std::student_t_distribution<double>(2)(random);
                        }};
const Noise kSpikes{"spikes_on_either_side",
                    [](Random& random) { return sometimes_late(random) - sometimes_late(random); }};
const Noise kSkewed{
    "skewed", [](Random& random) { return 0.02 * (exponential(random) - std::numbers::ln2); }};
const Noise kUniform{"uniform", [](Random& random) { return 0.02 * (uniform(random) - 0.5); }};

std::vector<Pair> measured(const Noise& noise, size_t count, Random& random) {
  std::vector<Pair> pairs(count);
  for (Pair& pair : pairs) {
    pair.b = 100 * std::exp(0.1 * normal(random));  // what both have in common drops out
    pair.a = pair.b * kTrueRatio * std::exp(noise.draw(random));
  }
  return pairs;
}

bool holds(const Comparison& found, double ratio) {
  return found.low <= ratio && ratio <= found.high;
}

// The share of intervals that hold the true ratio, in per cent.
double coverage_percent(const Noise& noise, size_t count, double confidence) {
  Random random(20'240'117);
  int covered = 0;
  for (int run = 0; run < kRuns; ++run) {
    const Bootstrap options{confidence, 500, static_cast<uint64_t>(run)};
    covered += holds(compare(measured(noise, count, random), options).value(), kTrueRatio);
  }
  return 100.0 * covered / kRuns;
}

struct Case {
  Noise noise;
  size_t pairs;
};

class PairedCoverageTest : public testing::TestWithParam<Case> {};

TEST_P(PairedCoverageTest, an_interval_of_95_percent_holds_the_true_ratio_as_often_as_it_says) {
  const double percent = coverage_percent(GetParam().noise, GetParam().pairs, 0.95);
  RecordProperty("coverage_percent", std::to_string(percent));
  EXPECT_GE(percent, 92);
  EXPECT_LE(percent, 99) << "wider than it need be";
}

INSTANTIATE_TEST_SUITE_P(noises, PairedCoverageTest,
                         testing::Values(Case{kNormal, 10}, Case{kHeavyTails, 10},
                                         Case{kSpikes, 10}, Case{kSkewed, 10}, Case{kUniform, 10},
                                         Case{kNormal, 11}, Case{kSkewed, 11}, Case{kNormal, 20},
                                         Case{kSpikes, 20}, Case{kNormal, 30}, Case{kSkewed, 30}),
                         [](const auto& param) {
                           return param.param.noise.name + std::string("_") +
                                  std::to_string(param.param.pairs) + "_pairs";
                         });

TEST(PairedTest, the_confidence_of_a_family_of_controls_is_nearly_reached_by_ten_pairs) {
  EXPECT_GE(coverage_percent(kNormal, 10, 0.998), 99.4);
  EXPECT_GE(coverage_percent(kSpikes, 10, 0.998), 99.4);
}

TEST(PairedTest, the_ratio_is_the_median_of_the_ratios) {
  const std::vector<Pair> odd = {{2, 1}, {3, 1}, {900, 1}, {10, 4}, {1, 9}};
  EXPECT_NEAR(compare(odd)->ratio, 2.5, 1e-12);
  const std::vector<Pair> even = {{2, 1}, {8, 1}, {900, 1}, {1, 9}};
  EXPECT_NEAR(compare(even)->ratio, 4, 1e-12) << "geometric mean of 2 and 8";
}

TEST(PairedTest, a_difference_beyond_the_noise_is_told_and_its_direction_too) {
  Random random(7);
  std::vector<Pair> pairs = measured(kNormal, 20, random);
  EXPECT_EQ(compare(pairs)->verdict, Verdict::kMore);
  for (Pair& pair : pairs) std::swap(pair.a, pair.b);
  EXPECT_EQ(compare(pairs)->verdict, Verdict::kLess);
  for (size_t i = 0; i < pairs.size(); i += 2) std::swap(pairs[i].a, pairs[i].b);
  EXPECT_EQ(compare(pairs)->verdict, Verdict::kUnclear);
}

TEST(PairedTest, equal_values_give_exactly_one) {
  const std::vector<Pair> pairs(10, Pair{3, 3});
  const Comparison found = compare(pairs).value();
  EXPECT_EQ(found.ratio, 1);
  EXPECT_EQ(found.low, 1);
  EXPECT_EQ(found.high, 1);
  EXPECT_EQ(found.verdict, Verdict::kUnclear);
}

TEST(PairedTest, the_interval_is_the_same_for_the_same_seed_and_holds_the_ratio) {
  Random random(11);
  for (int run = 0; run < 50; ++run) {
    const std::vector<Pair> pairs = measured(kSkewed, 6 + static_cast<size_t>(run), random);
    const Comparison first = compare(pairs, {0.5, 100, 3}).value();
    const Comparison second = compare(pairs, {0.5, 100, 3}).value();
    EXPECT_EQ(first.low, second.low);
    EXPECT_EQ(first.high, second.high);
    EXPECT_TRUE(holds(first, first.ratio));
  }
}

TEST(PairedTest, more_confidence_gives_a_wider_interval_but_none_beyond_the_ratios_measured) {
  Random random(13);
  const std::vector<Pair> pairs = measured(kNormal, 10, random);
  double smallest = kInfinity;
  double largest = 0;
  for (const Pair& pair : pairs) {
    smallest = std::min(smallest, pair.a / pair.b);
    largest = std::max(largest, pair.a / pair.b);
  }
  double width = 0;
  for (const double confidence : {0.5, 0.8, 0.95, 0.999, 1 - 1e-15}) {
    const Comparison found = compare(pairs, {.confidence = confidence}).value();
    EXPECT_GE(found.high - found.low, width) << confidence;
    EXPECT_GE(found.low, smallest * (1 - 1e-12));
    EXPECT_LE(found.high, largest * (1 + 1e-12));
    width = found.high - found.low;
  }
}

TEST(PairedTest, few_pairs_tell_nothing) {
  for (size_t count = 1; count < kPairsMin; ++count) {
    const Comparison found = compare(std::vector<Pair>(count, Pair{2, 1})).value();
    EXPECT_EQ(found.pairs, count);
    EXPECT_NEAR(found.ratio, 2, 1e-12);
    EXPECT_EQ(found.low, 0);
    EXPECT_EQ(found.high, kInfinity);
    EXPECT_EQ(found.verdict, Verdict::kUnclear);
  }
  EXPECT_EQ(compare(std::vector<Pair>(kPairsMin, Pair{2, 1}))->verdict, Verdict::kMore);
}

TEST(PairedTest, a_value_without_a_logarithm_is_refused_and_its_pair_named) {
  const double nothing = std::numeric_limits<double>::quiet_NaN();
  for (const double bad : {0.0, -1.0, kInfinity, nothing}) {
    std::vector<Pair> pairs(10, Pair{1, 1});
    pairs[3].b = bad;
    const auto found = compare(pairs);
    ASSERT_FALSE(found) << bad;
    EXPECT_NE(found.error().message().find("pair 4 of 10: b is "), std::string::npos)
        << found.error().message();
  }
}

TEST(PairedTest, no_pair_and_options_out_of_range_are_refused) {
  const std::vector<Pair> pairs(10, Pair{1, 1});
  EXPECT_FALSE(compare({}));
  for (const double confidence : {0.0, 0.49, 1.0, 95.0, std::nan("")}) {
    EXPECT_FALSE(compare(pairs, {.confidence = confidence})) << confidence;
  }
  for (const int64_t resamples : {int64_t{-1}, int64_t{0}, kResamplesMin - 1, kResamplesMax + 1}) {
    EXPECT_FALSE(compare(pairs, {.resamples = resamples})) << resamples;
  }
}

// A machine that grows slower by 1 % with each measurement: what rounds in this order give.
std::vector<Pair> drifting(size_t rounds, bool alternating, Random& random) {
  std::vector<Pair> pairs(rounds);
  double time = 0;
  for (size_t round = 0; round < rounds; ++round) {
    for (const size_t subject : abba_order(alternating ? round : 0, 2)) {
      const double cost = (100 + time++) * std::exp(0.002 * normal(random));
      (subject == 0 ? pairs[round].a : pairs[round].b) = subject == 0 ? cost * kTrueRatio : cost;
    }
  }
  return pairs;
}

TEST(PairedTest, a_steady_drift_is_taken_out_by_the_order_of_measuring) {
  Random random(17);
  double with_abba = 0;
  double without = 0;
  int covered = 0;
  for (int run = 0; run < kRuns; ++run) {
    const Comparison found = compare(drifting(10, true, random), {.resamples = 500}).value();
    with_abba += found.ratio / kRuns;
    covered += holds(found, kTrueRatio);
    without += compare(drifting(10, false, random), {.resamples = 100})->ratio / kRuns;
  }
  EXPECT_NEAR(with_abba, kTrueRatio, 0.001);
  EXPECT_LT(without, kTrueRatio * 0.995) << "the drift is there to be taken out";
  EXPECT_GE(covered, kRuns * 92 / 100);
}

TEST(PairedTest, rounds_go_forward_and_backward_in_turn) {
  EXPECT_EQ(abba_order(0, 3), (std::vector<size_t>{0, 1, 2}));
  EXPECT_EQ(abba_order(1, 3), (std::vector<size_t>{2, 1, 0}));
  EXPECT_EQ(abba_order(2, 3), (std::vector<size_t>{0, 1, 2}));
  EXPECT_TRUE(abba_order(5, 0).empty());
}

}  // namespace
}  // namespace measure
