// What recording a latency costs a load generator, and what reading and merging cost at the end.
#include "common/measure/histogram.h"

#include <benchmark/benchmark.h>

#include <random>
#include <vector>

namespace micro {
namespace {

// Latencies as they are: log-normal around 100 us with a tail of milliseconds.
std::vector<uint64_t> latencies_ns() {
  std::mt19937_64 random(1);
  std::lognormal_distribution<double> latency(11.5, 1.0);
  std::vector<uint64_t> values(1 << 16);
  for (uint64_t& value : values) value = static_cast<uint64_t>(latency(random));
  return values;
}

measure::Histogram filled() {
  measure::Histogram histogram;
  for (const uint64_t value : latencies_ns()) histogram.record(value);
  return histogram;
}

void record(benchmark::State& state) {
  const std::vector<uint64_t> values = latencies_ns();
  measure::Histogram histogram;
  size_t at = 0;
  for (auto _ : state) histogram.record(values[at++ % values.size()]);
  if (histogram.count() != static_cast<uint64_t>(state.iterations())) {
    state.SkipWithError("records were lost");
  }
}
BENCHMARK(record)->Name("histogram/record");

void at_quantile(benchmark::State& state) {
  const measure::Histogram histogram = filled();
  const double quantile = static_cast<double>(state.range(0)) / 1000;
  for (auto _ : state) benchmark::DoNotOptimize(histogram.at_quantile(quantile));
}
BENCHMARK(at_quantile)->Name("histogram/at_quantile")->ArgName("permille")->Arg(500)->Arg(999);

void merge(benchmark::State& state) {
  const measure::Histogram part = filled();
  measure::Histogram whole;
  for (auto _ : state) whole.merge(part);
  if (whole.count() != part.count() * static_cast<uint64_t>(state.iterations())) {
    state.SkipWithError("counts were lost");
  }
}
BENCHMARK(merge)->Name("histogram/merge");

void clear(benchmark::State& state) {
  const measure::Histogram part = filled();
  measure::Histogram histogram;
  for (auto _ : state) {
    state.PauseTiming();
    histogram.merge(part);
    state.ResumeTiming();
    histogram.clear();
  }
}
BENCHMARK(clear)->Name("histogram/clear");

}  // namespace
}  // namespace micro
