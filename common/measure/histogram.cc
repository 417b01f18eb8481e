// Bucket numbers follow the bits of the value: below 2^(kPrecisionBits + 1) a bucket a value, then
// each power of two has 2^kPrecisionBits buckets of equal width.
#include "common/measure/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "common/check.h"

namespace measure {

size_t Histogram::index_of(uint64_t value) {
  if (value >> kValueBits != 0) return kBuckets - 1;
  const auto bits = static_cast<unsigned>(std::bit_width(value));
  const unsigned shift = bits > kPrecisionBits + 1 ? bits - kPrecisionBits - 1 : 0;
  return (size_t{shift} << kPrecisionBits) + static_cast<size_t>(value >> shift);
}

uint64_t Histogram::bucket_width(size_t index) {
  const size_t power = index >> kPrecisionBits;
  return power < 2 ? 1 : uint64_t{1} << (power - 1);
}

uint64_t Histogram::bucket_first(size_t index) {
  const size_t power = index >> kPrecisionBits;
  if (power < 2) return index;
  const uint64_t mantissa = (index & ((1 << kPrecisionBits) - 1)) + (1 << kPrecisionBits);
  return mantissa << (power - 1);
}

void Histogram::record(uint64_t value, uint64_t times) {
  if (times == 0) return;
  counts_[index_of(value)] += times;
  count_ += times;
  sum_ += value * times;
  min_ = std::min(min_, value);
  max_ = std::max(max_, value);
}

void Histogram::merge(const Histogram& other) {
  if (other.empty()) return;
  const size_t last = index_of(other.max_);
  for (size_t i = index_of(other.min_); i <= last; ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
}

void Histogram::clear() {
  if (!empty()) {
    std::fill(counts_.begin() + static_cast<ptrdiff_t>(index_of(min_)),
              counts_.begin() + static_cast<ptrdiff_t>(index_of(max_)) + 1, 0);
  }
  count_ = sum_ = max_ = 0;
  min_ = UINT64_MAX;
}

double Histogram::mean() const {
  return empty() ? 0 : static_cast<double>(sum_) / static_cast<double>(count_);
}

double Histogram::standard_deviation() const {
  if (empty()) return 0;
  const double middle = mean();
  double squares = 0;
  const size_t last = index_of(max_);
  for (size_t i = index_of(min_); i <= last; ++i) {
    if (counts_[i] == 0) continue;
    const double value =
        static_cast<double>(bucket_first(i)) + static_cast<double>(bucket_width(i) - 1) / 2;
    squares += (value - middle) * (value - middle) * static_cast<double>(counts_[i]);
  }
  return std::sqrt(squares / static_cast<double>(count_));
}

uint64_t Histogram::at_quantile(double quantile) const {
  if (empty()) return 0;
  const double wanted = std::ceil(std::clamp(quantile, 0.0, 1.0) * static_cast<double>(count_));
  const uint64_t rank = std::clamp<uint64_t>(static_cast<uint64_t>(wanted), 1, count_);
  if (rank == count_) return max_;
  uint64_t seen = 0;
  for (size_t i = index_of(min_);; ++i) {
    CHECK(i < kBuckets);
    seen += counts_[i];
    if (seen >= rank) {
      return std::clamp(bucket_first(i) + (bucket_width(i) - 1) / 2, min_, max_);
    }
  }
}

uint64_t Histogram::count_above(uint64_t value) const {
  if (empty() || value >= max_) return 0;
  uint64_t above = 0;
  for (size_t i = index_of(value) + 1; i < kBuckets; ++i) above += counts_[i];
  return above;
}

Histogram::State Histogram::state() const {
  State state{min(), max_, sum_, {}};
  if (empty()) return state;
  const size_t last = index_of(max_);
  for (size_t i = index_of(min_); i <= last; ++i) {
    if (counts_[i] != 0) state.buckets.emplace_back(static_cast<uint32_t>(i), counts_[i]);
  }
  return state;
}

bool Histogram::merge_state(const State& state) {
  if (state.buckets.empty()) return state.min == 0 && state.max == 0 && state.sum == 0;
  uint64_t before = 0;
  for (const auto& [index, count] : state.buckets) {
    const bool in_order = &state.buckets.front().first == &index || index > before;
    if (!in_order || index >= kBuckets || count == 0) return false;
    before = index;
  }
  if (index_of(state.min) != state.buckets.front().first) return false;
  if (index_of(state.max) != state.buckets.back().first || state.min > state.max) return false;
  for (const auto& [index, count] : state.buckets) {
    counts_[index] += count;
    count_ += count;
  }
  sum_ += state.sum;
  min_ = std::min(min_, state.min);
  max_ = std::max(max_, state.max);
  return true;
}

}  // namespace measure
