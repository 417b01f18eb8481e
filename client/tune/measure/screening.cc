// Each design is a row that is shifted round and round, and a last run in which all are low. The
// rows of 12, 20 and 24 are Plackett's and Burman's; those of 4 and 8 make the fractional
// factorials.
#include "client/tune/measure/screening.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "common/check.h"

namespace ringtune {
namespace {

constexpr std::array<std::string_view, 5> kRows{"++-", "+++-+--", "++-+++---+-",
                                                "++--++++-+-+----++-", "+++++-+-++--++--+-+----"};

}  // namespace

net::Result<Design> plackett_burman(size_t factors) {
  const auto row = std::find_if(kRows.begin(), kRows.end(), [factors](std::string_view one) {
    return factors >= 1 && one.size() >= factors;
  });
  if (row == kRows.end()) {
    return net::fail(fmt::format("a screening of {} parameters", factors), 0,
                     fmt::format("give 1 to {}", kFactorsMax));
  }
  const size_t runs = row->size() + 1;
  Design design(runs, std::vector<bool>(factors, false));
  for (size_t run = 0; run + 1 < runs; ++run) {
    for (size_t factor = 0; factor < factors; ++factor) {
      design[run][factor] = (*row)[(factor + row->size() - run) % row->size()] == '+';
    }
  }
  return design;
}

Design mirrored(const Design& design) {
  Design mirror = design;
  for (std::vector<bool>& run : mirror) run.flip();
  return mirror;
}

double effect_of(const Design& design, size_t factor, std::span<const double> results) {
  CHECK(results.size() == design.size());
  double high = 0;
  double low = 0;
  for (size_t run = 0; run < design.size(); ++run) {
    (design[run][factor] ? high : low) += std::log(results[run]);
  }
  // Half of the runs each.
  return std::exp((high - low) / (static_cast<double>(design.size()) / 2));
}

net::Result<::measure::Comparison> summarize(std::span<const double> effects) {
  std::vector<::measure::Pair> pairs;
  for (const double effect : effects) pairs.push_back({effect, 1});
  return ::measure::compare(pairs);
}

}  // namespace ringtune
