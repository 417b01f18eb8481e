// Percentiles that come closer to 1 by halves, as the format wants them.
#include "client/load/report/hgrm.h"

#include <fmt/format.h>

namespace ringload {
namespace {

constexpr double kNsPerMs = 1e6;
constexpr int kPointsPerHalving = 5;

double ms(uint64_t ns) { return static_cast<double>(ns) / kNsPerMs; }

// One line for each point, and the last for the largest value, whose 1/(1-Percentile) is infinite.
std::string lines_of(const measure::Histogram& latency_ns) {
  std::string lines;
  const uint64_t total = latency_ns.count();
  double left = 1;  // to 1, where the present halving began
  for (int point = 0;; ++point) {
    if (point == kPointsPerHalving) {
      left /= 2;
      point = 0;
    }
    const double beyond = left * (1 - 0.5 * point / kPointsPerHalving);
    const uint64_t value = latency_ns.at_quantile(1 - beyond);
    const uint64_t up_to = total - latency_ns.count_above(value);
    if (up_to == total) break;
    lines +=
        fmt::format("{:12.6f} {:.12f} {:10} {:14.2f}\n", ms(value), 1 - beyond, up_to, 1 / beyond);
  }
  return lines +
         fmt::format("{:12.6f} {:.12f} {:10} {:>14}\n", ms(latency_ns.max()), 1.0, total, "inf");
}

}  // namespace

std::string hgrm_of(const measure::Histogram& latency_ns) {
  std::string text = fmt::format("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile",
                                 "TotalCount", "1/(1-Percentile)");
  if (!latency_ns.empty()) text += lines_of(latency_ns);
  text += fmt::format("#[Mean    = {:12.6f}, StdDeviation   = {:12.6f}]\n",
                      latency_ns.mean() / kNsPerMs, latency_ns.standard_deviation() / kNsPerMs);
  text += fmt::format("#[Max     = {:12.6f}, Total count    = {:12}]\n", ms(latency_ns.max()),
                      latency_ns.count());
  return text + fmt::format("#[Buckets = {:12}, SubBuckets     = {:12}]\n",
                            measure::Histogram::kValueBits - measure::Histogram::kPrecisionBits,
                            1 << measure::Histogram::kPrecisionBits);
}

}  // namespace ringload
