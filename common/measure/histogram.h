// A log-linear histogram of durations: exact counts in buckets whose width is at most 1/1024 of
// their value, so that every quantile is within 0.1 % of the sample it stands for, in a fixed
// quarter of a megabyte, whatever is recorded. Merging adds counts and loses nothing.
// Not synchronised: one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace measure {

class Histogram {
 public:
  // Each power of two is divided into 1 << kPrecisionBits buckets; smaller values are exact.
  static constexpr unsigned kPrecisionBits = 10;
  // A value read back is the middle of its bucket: off by at most half of a bucket's width.
  static constexpr double kRelativeErrorMax = 0.5 / (1 << kPrecisionBits);
  // Larger values are counted in the last bucket; max() stays exact. 2^40 ns are 18 minutes.
  static constexpr unsigned kValueBits = 40;
  static constexpr size_t kBuckets = size_t{kValueBits - kPrecisionBits + 1} << kPrecisionBits;

  Histogram() : counts_(kBuckets) {}

  void record(uint64_t value) { record(value, 1); }
  void record(uint64_t value, uint64_t times);
  void merge(const Histogram& other);
  void clear();  // cost: the buckets between the smallest and the largest value

  uint64_t count() const { return count_; }
  bool empty() const { return count_ == 0; }
  // Exact, as is mean(). All are 0 for an empty histogram.
  uint64_t min() const { return count_ == 0 ? 0 : min_; }
  uint64_t max() const { return max_; }
  double mean() const;
  double standard_deviation() const;  // from the buckets' middles
  uint64_t sum() const { return sum_; }

  // The smallest recorded value that at least `quantile` (0 to 1) of all values do not exceed,
  // within kRelativeErrorMax and never beyond min() and max().
  uint64_t at_quantile(double quantile) const;
  // How many values are greater than `value`, to the precision of the buckets.
  uint64_t count_above(uint64_t value) const;

  // Every bucket that is not empty, in order: index and count. With min, max and sum it is the
  // whole state.
  struct State {
    uint64_t min = 0;
    uint64_t max = 0;
    uint64_t sum = 0;
    std::vector<std::pair<uint32_t, uint64_t>> buckets;

    friend bool operator==(const State&, const State&) = default;
  };
  State state() const;
  // False, and an unchanged histogram, when `state` could not have come from state().
  bool merge_state(const State& state);

  // The values of a bucket: [first, first + width).
  static uint64_t bucket_first(size_t index);
  static uint64_t bucket_width(size_t index);

 private:
  static size_t index_of(uint64_t value);

  std::vector<uint64_t> counts_;
  uint64_t count_ = 0;
  uint64_t sum_ = 0;
  uint64_t min_ = UINT64_MAX;
  uint64_t max_ = 0;
};

}  // namespace measure
