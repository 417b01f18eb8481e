// The median of log ratios and its expanded percentile bootstrap; why this one is in the header.
// The random numbers are mt19937_64's own bits, mapped here, since what the distributions of the
// standard library draw differs between libraries.
#include "common/measure/paired.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <optional>
#include <random>
#include <utility>

namespace measure {
namespace {

// Reorders the values.
double median(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 != 0) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

double normal_below(double z) { return std::erfc(-z / std::numbers::sqrt2) / 2; }

// P(T > t) for t >= 0. With t = sqrt(degrees) tan(x) the density becomes a power of the cosine;
// Simpson's rule over the tail keeps its precision where the probability is small. The power falls
// faster than a normal density of deviation 1/sqrt(degrees): beyond 12 of them nothing is left.
double student_above(double t, double degrees) {
  constexpr int kSteps = 100;
  const double first = std::atan(t / std::sqrt(degrees));
  const double step = std::min(std::numbers::pi / 2 - first, 12 / std::sqrt(degrees)) / kSteps;
  double sum = 0;
  for (int i = 0; i <= kSteps; ++i) {
    const double weight = i == 0 || i == kSteps ? 1 : (i % 2 == 0 ? 2 : 4);
    sum += weight * std::pow(std::max(0.0, std::cos(first + i * step)), degrees - 1);
  }
  const double scale = std::exp(std::lgamma((degrees + 1) / 2) - std::lgamma(degrees / 2));
  return sum * step / 3 * scale / std::sqrt(std::numbers::pi);
}

// The t >= 0 that is exceeded with this probability, 0.5 at most.
double student_exceeded_by(double probability, double degrees) {
  double low = 0;
  double high = 1;
  while (student_above(high, degrees) > probability) high *= 2;
  for (int i = 0; i < 40; ++i) {
    const double middle = (low + high) / 2;
    (student_above(middle, degrees) > probability ? low : high) = middle;
  }
  return high;
}

// The share of resampled medians to leave out at each end.
double expanded_tail(double confidence, size_t pairs) {
  const auto n = static_cast<double>(pairs);
  const double t = student_exceeded_by((1 - confidence) / 2, n - 1);
  return normal_below(-t * std::sqrt(n / (n - 1)));
}

// Sorted medians of samples drawn with replacement.
std::vector<double> resampled_medians(const std::vector<double>& logs, const Bootstrap& options) {
  std::mt19937_64 random(options.seed);
  std::vector<double> drawn(logs.size());
  std::vector<double> medians(static_cast<size_t>(options.resamples));
  for (double& result : medians) {
    // The upper half of the bits, times the number of pairs, shifted: a bias below 2^-32 * pairs.
    for (double& value : drawn) value = logs[(random() >> 32) * logs.size() >> 32];
    result = median(drawn);
  }
  std::sort(medians.begin(), medians.end());
  return medians;
}

// Rounded outwards, so that few draws make the interval wider, never narrower: where less than one
// draw is to be left out at each end, the ends are those of the resampling, had it gone on for
// ever.
std::pair<double, double> interval(const std::vector<double>& logs, const Bootstrap& options) {
  const double tail = expanded_tail(options.confidence, logs.size());
  const auto left_out = static_cast<size_t>(tail * static_cast<double>(options.resamples));
  if (left_out == 0) {
    const auto [smallest, largest] = std::minmax_element(logs.begin(), logs.end());
    return {*smallest, *largest};
  }
  const std::vector<double> medians = resampled_medians(logs, options);
  return {medians[left_out], medians[medians.size() - 1 - left_out]};
}

std::optional<std::string> mistake_in(std::span<const Pair> pairs) {
  for (size_t i = 0; i < pairs.size(); ++i) {
    for (const auto& [name, value] : {std::pair{'a', pairs[i].a}, std::pair{'b', pairs[i].b}}) {
      if (std::isfinite(value) && value > 0) continue;
      return fmt::format("compare pair {} of {}: {} is {}", i + 1, pairs.size(), name, value);
    }
  }
  return std::nullopt;
}

Verdict verdict_of(double low, double high) {
  if (high < 1) return Verdict::kLess;
  return low > 1 ? Verdict::kMore : Verdict::kUnclear;
}

}  // namespace

std::string_view verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kLess: return "less";
    case Verdict::kMore: return "more";
    case Verdict::kUnclear: break;
  }
  return "unclear";
}

net::Result<Comparison> compare(std::span<const Pair> pairs, const Bootstrap& options) {
  if (pairs.empty()) return net::fail("compare: there is no pair", 0, "measure at least one round");
  if (!(options.confidence >= 0.5 && options.confidence < 1)) {
    return net::fail(fmt::format("compare: the confidence is {}", options.confidence), 0,
                     "give 0.5 or more, but less than 1");
  }
  if (options.resamples < kResamplesMin || options.resamples > kResamplesMax) {
    return net::fail(fmt::format("compare: {} resamples", options.resamples), 0,
                     fmt::format("give {} to {}", kResamplesMin, kResamplesMax));
  }
  if (const std::optional<std::string> mistake = mistake_in(pairs)) {
    return net::fail(*mistake, 0, "only finite numbers greater than 0 have a ratio");
  }
  std::vector<double> logs(pairs.size());
  std::transform(pairs.begin(), pairs.end(), logs.begin(),
                 [](const Pair& pair) { return std::log(pair.a) - std::log(pair.b); });
  std::vector<double> ordered = logs;
  const double middle = median(ordered);
  Comparison result{pairs.size(), std::exp(middle), 0, std::numeric_limits<double>::infinity()};
  if (pairs.size() < kPairsMin) return result;

  const auto [low, high] = interval(logs, options);
  result.low = std::exp(std::min(low, middle));
  result.high = std::exp(std::max(high, middle));
  result.verdict = verdict_of(result.low, result.high);
  return result;
}

std::vector<size_t> abba_order(size_t round, size_t count) {
  std::vector<size_t> order(count);
  for (size_t i = 0; i < count; ++i) order[i] = round % 2 == 0 ? i : count - 1 - i;
  return order;
}

}  // namespace measure
