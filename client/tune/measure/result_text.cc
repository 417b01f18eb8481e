// The result for a terminal: verdict and interval of each value, what the figures were, and the
// counters that say why.
#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cmath>

#include "client/load/report/format.h"
#include "client/tune/measure/result.h"

namespace ringtune {
namespace {

constexpr size_t kWitnessesShown = 5;

double median_of(const SubjectSamples& samples, size_t index) {
  std::vector<double> values;
  for (const Sample& sample : samples.samples) values.push_back(sample.values.at(index));
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return std::sqrt(values[values.size() / 2] * values[(values.size() - 1) / 2]);
}

void add_paragraph(std::string& text, const std::string& paragraph, const char* indent = "") {
  for (const std::string& line :
       ringload::wrapped(paragraph, ringload::kReportColumns - std::string_view(indent).size())) {
    text += indent + line + "\n";
  }
}

std::string value_text(const MeasureResult& result, const ValueResult& value) {
  std::string text =
      fmt::format("  {:<24} {:<14} {:>7} {}\n", value.value, finding_name(value.finding),
                  ratio_text(value.metrics.front().ratio), interval_text(value.metrics.front()));
  for (size_t i = 0; i < result.workload.metrics.size(); ++i) {
    const Metric& metric = result.workload.metrics[i];
    text += fmt::format("      {}: {} -> {}", metric.name, amount_text(metric, result.baseline, i),
                        amount_text(metric, value.samples, i));
    if (i > 0) {
      text += fmt::format("  ({} {})", ratio_text(value.metrics[i].ratio),
                          interval_text(value.metrics[i]));
    }
    text += "\n";
  }
  size_t shown = 0;
  for (const Witness& witness : value.witnesses) {
    if (!witness.is_telling || shown++ == kWitnessesShown) break;
    add_paragraph(text,
                  fmt::format("{}: {} -> {} a sample{}{}", witness.name,
                              ringload::si_text(witness.baseline), ringload::si_text(witness.value),
                              witness.meaning.empty() ? "" : ": ", witness.meaning),
                  "      ");
  }
  return text;
}

std::string control_text(const MeasureResult& result) {
  std::string text = fmt::format("\nThe baseline against itself: {} {}\n",
                                 ratio_text(result.control.ratio), interval_text(result.control));
  if (result.control.pairs < ::measure::kPairsMin) {
    add_paragraph(text, fmt::format("Only {} complete rounds: {} are the fewest that can show "
                                    "anything.",
                                    result.control.pairs, ::measure::kPairsMin));
  } else if (!contains_one(result.control)) {
    add_paragraph(text,
                  "That is not 1: the machine is too noisy. A verdict stands only where the "
                  "difference is larger than that. Stop what else runs, give more --pairs or more "
                  "--seconds, and measure again.");
  }
  return text;
}

}  // namespace

std::string kernel_release() {
  utsname name{};
  return ::uname(&name) == 0 ? name.release : "unknown";
}

std::string ratio_text(double ratio) {
  if (!std::isfinite(ratio)) return "any";
  if (ratio == 0) return "0";
  if (ratio >= 1e4 || ratio < 1e-3) return fmt::format("{:.1e}", ratio);
  const int digits = ratio >= 100 ? 0 : ratio >= 10 ? 1 : ratio >= 0.1 ? 2 : 4;
  return fmt::format("{:.{}f}", ratio, digits);
}

std::string interval_text(const ::measure::Comparison& comparison) {
  return fmt::format("[{}, {}]", ratio_text(comparison.low), ratio_text(comparison.high));
}

std::string amount_text(const Metric& metric, const SubjectSamples& samples, size_t index) {
  const double amount = median_of(samples, index);
  if (metric.unit == "ms" && amount >= 1000) return ringload::si_text(amount / 1000) + " s";
  const std::string number = ringload::si_text(amount);
  const bool has_prefix =
      !number.empty() && std::isalpha(static_cast<unsigned char>(number.back()));
  const bool is_rate = metric.unit.starts_with("/");
  return number + (has_prefix || is_rate || metric.unit.empty() ? "" : " ") + metric.unit;
}

std::string text_of(const MeasureResult& result) {
  const Metric& metric = result.workload.metrics.front();
  std::string text;
  add_paragraph(text, fmt::format("{}: {}; over {}, Linux {}", result.workload.name,
                                  result.workload.about, result.wiring, result.kernel));
  add_paragraph(text,
                fmt::format("Ratios are of {} ({} is better), value to baseline, the median of {} "
                            "pairs with its 95 % interval.",
                            metric.name, metric.more_is_better ? "more" : "less", result.pairs));
  if (result.is_interrupted) {
    add_paragraph(text, fmt::format("INTERRUPTED after {} of {} rounds: this is partial.",
                                    result.pairs, result.pairs_wanted));
  }
  for (const ParameterResult& parameter : result.parameters) {
    text += fmt::format("\n{} (baseline: {})\n", parameter.name, parameter.baseline);
    for (const ValueResult& value : parameter.values) text += value_text(result, value);
  }
  text += control_text(result);
  if (!result.not_copied.empty()) {
    text += "\nOf this host, not set in the networks:\n";
    for (const std::string& one : result.not_copied) add_paragraph(text, one, "  ");
  }
  return text;
}

}  // namespace ringtune
