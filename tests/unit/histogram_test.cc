// The histogram against sorted samples: within 0.1 % everywhere, exact when merged, fixed in size.
#include "common/measure/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>

namespace measure {
namespace {

constexpr size_t kSamples = 1'000'000;

std::vector<uint64_t> drawn(const std::function<double(std::mt19937_64&)>& draw) {
  std::mt19937_64 random(20'240'117);
  std::vector<uint64_t> samples(kSamples);
  for (uint64_t& sample : samples) sample = static_cast<uint64_t>(std::max(0.0, draw(random)));
  return samples;
}

void expect_exact_quantiles(std::vector<uint64_t> samples) {
  Histogram histogram;
  for (const uint64_t sample : samples) histogram.record(sample);
  std::sort(samples.begin(), samples.end());
  double sum = 0;
  for (const uint64_t sample : samples) sum += static_cast<double>(sample);
  for (const double quantile :
       {0.0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999, 0.99999, 1.0}) {
    const auto rank = static_cast<size_t>(std::ceil(quantile * kSamples));
    const auto exact = static_cast<double>(samples[rank == 0 ? 0 : rank - 1]);
    const auto found = static_cast<double>(histogram.at_quantile(quantile));
    EXPECT_LE(std::abs(found - exact), 0.001 * exact) << "at " << quantile;
    EXPECT_LE(std::abs(found - exact), Histogram::kRelativeErrorMax * exact + 0.5);
  }
  EXPECT_EQ(histogram.count(), kSamples);
  EXPECT_EQ(histogram.min(), samples.front());
  EXPECT_EQ(histogram.max(), samples.back());
  EXPECT_NEAR(histogram.mean(), sum / kSamples, 1e-9 * sum / kSamples);
}

TEST(Histogram, has_the_quantiles_of_uniform_samples) {
  std::uniform_real_distribution<double> distribution(0, 3e9);
  expect_exact_quantiles(drawn([&](auto& random) { return distribution(random); }));
}

TEST(Histogram, has_the_quantiles_of_lognormal_samples) {
  std::lognormal_distribution<double> distribution(std::log(250e3), 1.5);
  expect_exact_quantiles(drawn([&](auto& random) { return distribution(random); }));
}

TEST(Histogram, has_the_quantiles_of_exponential_samples) {
  std::exponential_distribution<double> distribution(1 / 5e6);
  expect_exact_quantiles(drawn([&](auto& random) { return distribution(random); }));
}

TEST(Histogram, has_the_quantiles_of_samples_with_two_peaks_and_a_tail) {
  std::normal_distribution<double> fast(40e3, 3e3);
  std::normal_distribution<double> slow(9e6, 1e6);
  std::uniform_real_distribution<double> kind(0, 1);
  expect_exact_quantiles(drawn([&](auto& random) {
    const double which = kind(random);
    if (which < 0.9) return fast(random);
    return which < 0.9999 ? slow(random) : 1e9 + 1e11 * (which - 0.9999);
  }));
}

TEST(Histogram, has_the_quantiles_of_samples_that_are_all_the_same) {
  expect_exact_quantiles(std::vector<uint64_t>(kSamples, 123'456'789));
}

TEST(Histogram, has_the_quantiles_of_small_whole_numbers_exactly) {
  Histogram histogram;
  for (uint64_t value = 0; value <= 2000; ++value) histogram.record(value);
  for (uint64_t value = 1; value < 2000; ++value) {
    EXPECT_EQ(histogram.at_quantile((static_cast<double>(value) + 0.5) / 2001), value);
  }
}

TEST(Histogram, knows_the_deviation_of_its_samples) {
  std::mt19937_64 random(5);
  std::normal_distribution<double> distribution(1e6, 1e5);
  Histogram histogram;
  double sum = 0;
  double squares = 0;
  for (size_t i = 0; i < kSamples; ++i) {
    const auto sample = static_cast<uint64_t>(distribution(random));
    histogram.record(sample);
    sum += static_cast<double>(sample);
    squares += static_cast<double>(sample) * static_cast<double>(sample);
  }
  const double mean = sum / kSamples;
  const double exact = std::sqrt(squares / kSamples - mean * mean);
  EXPECT_NEAR(histogram.standard_deviation(), exact, 0.001 * exact);
}

TEST(Histogram, merges_into_the_histogram_of_all_samples) {
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> distribution(13, 2);
  Histogram all;
  std::vector<Histogram> parts(3);
  for (size_t i = 0; i < 100'000; ++i) {
    const auto sample = static_cast<uint64_t>(distribution(random));
    all.record(sample);
    parts[i % parts.size()].record(sample);
  }
  Histogram merged;
  for (const Histogram& part : parts) merged.merge(part);
  merged.merge(Histogram{});
  EXPECT_EQ(merged.state(), all.state());
  EXPECT_EQ(merged.count(), all.count());
  EXPECT_EQ(merged.at_quantile(0.999), all.at_quantile(0.999));
}

TEST(Histogram, needs_the_same_memory_whatever_it_holds) {
  Histogram histogram;
  for (unsigned bit = 0; bit < 64; ++bit) histogram.record(uint64_t{1} << bit);
  EXPECT_LE(histogram.state().buckets.size(), Histogram::kBuckets);
  EXPECT_LE(Histogram::kBuckets * sizeof(uint64_t), 256u * 1024);
  for (const auto& [index, count] : histogram.state().buckets) {
    EXPECT_LT(index, Histogram::kBuckets);
  }
}

TEST(Histogram, has_buckets_without_gaps_that_are_narrow_enough) {
  for (size_t index = 0; index + 1 < Histogram::kBuckets; ++index) {
    const uint64_t first = Histogram::bucket_first(index);
    const uint64_t width = Histogram::bucket_width(index);
    ASSERT_EQ(first + width, Histogram::bucket_first(index + 1)) << index;
    ASSERT_LE(static_cast<double>(width - 1), static_cast<double>(first) / 1024) << index;
  }
}

TEST(Histogram, counts_huge_values_and_keeps_their_maximum) {
  Histogram histogram;
  histogram.record(5);
  histogram.record(uint64_t{1} << 50);
  EXPECT_EQ(histogram.max(), uint64_t{1} << 50);
  EXPECT_EQ(histogram.at_quantile(1), uint64_t{1} << 50);
  EXPECT_EQ(histogram.at_quantile(0.5), 5u);
  EXPECT_EQ(histogram.count_above(5), 1u);
}

TEST(Histogram, of_nothing_is_all_zero) {
  const Histogram histogram;
  EXPECT_TRUE(histogram.empty());
  EXPECT_EQ(histogram.min(), 0u);
  EXPECT_EQ(histogram.max(), 0u);
  EXPECT_EQ(histogram.mean(), 0);
  EXPECT_EQ(histogram.standard_deviation(), 0);
  EXPECT_EQ(histogram.at_quantile(0.99), 0u);
  EXPECT_EQ(histogram.count_above(0), 0u);
  EXPECT_TRUE(histogram.state().buckets.empty());
}

TEST(Histogram, of_zero_is_not_nothing) {
  Histogram histogram;
  histogram.record(0);
  EXPECT_FALSE(histogram.empty());
  EXPECT_EQ(histogram.at_quantile(0.5), 0u);
  EXPECT_EQ(histogram.state().buckets.size(), 1u);
}

TEST(Histogram, is_empty_again_after_clear) {
  Histogram histogram;
  histogram.record(17, 3);
  histogram.record(1'000'000'007);
  histogram.clear();
  EXPECT_EQ(histogram.state(), Histogram{}.state());
  histogram.record(4);
  EXPECT_EQ(histogram.min(), 4u);
  EXPECT_EQ(histogram.max(), 4u);
  EXPECT_EQ(histogram.count(), 1u);
}

TEST(Histogram, has_a_state_that_makes_the_same_histogram) {
  std::mt19937_64 random(11);
  std::exponential_distribution<double> distribution(1e-6);
  Histogram histogram;
  for (int i = 0; i < 10'000; ++i) histogram.record(static_cast<uint64_t>(distribution(random)));
  Histogram again;
  ASSERT_TRUE(again.merge_state(histogram.state()));
  EXPECT_EQ(again.state(), histogram.state());
  EXPECT_EQ(again.count(), histogram.count());
  EXPECT_EQ(again.mean(), histogram.mean());
  ASSERT_TRUE(again.merge_state(Histogram{}.state()));
  EXPECT_EQ(again.count(), histogram.count());
}

TEST(Histogram, refuses_a_state_that_it_could_not_have_had) {
  Histogram good;
  good.record(100);
  good.record(200);
  const auto refused = [&](const std::function<void(Histogram::State&)>& damage) {
    Histogram::State state = good.state();
    damage(state);
    Histogram histogram;
    const bool taken = histogram.merge_state(state);
    return !taken && histogram.empty();
  };
  EXPECT_TRUE(refused([](auto& state) { state.min = 90; }));
  EXPECT_TRUE(refused([](auto& state) { state.max = 300; }));
  EXPECT_TRUE(refused([](auto& state) { state.buckets[0].second = 0; }));
  EXPECT_TRUE(refused([](auto& state) { std::swap(state.buckets[0], state.buckets[1]); }));
  EXPECT_TRUE(refused([](auto& state) { state.buckets[1].first = Histogram::kBuckets; }));
  EXPECT_TRUE(refused([](auto& state) { state.buckets.clear(); }));
}

}  // namespace
}  // namespace measure
