// The statistics of common/measure/paired.h for scripts: comparisons as JSON from standard input,
// their ratios and intervals as JSON to standard output. Exit status 2, and one line on standard
// error, for input that it cannot use; it never leaves a comparison out.
//
//   {"confidence": 0.95, "resamples": 10000, "seed": 1,
//    "comparisons": [{"id": "any text", "pairs": [[a, b], ...], "confidence": 0.99}]}
//   {"comparisons": [{"id": "any text", "pairs": 10, "ratio": 1.02, "low": 1.01, "high": 1.04,
//                     "verdict": "more"}]}
//
// All of the first line may be left out, as may the confidence of a comparison. "high" is null
// where there is no upper limit, which is with fewer than measure::kPairsMin pairs.
#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "common/measure/paired.h"

namespace {

using nlohmann::json;

measure::Bootstrap options_of(const json& from, const measure::Bootstrap& defaults) {
  measure::Bootstrap options = defaults;
  options.confidence = from.value("confidence", defaults.confidence);
  options.resamples = from.value("resamples", defaults.resamples);
  options.seed = from.value("seed", defaults.seed);
  return options;
}

// Throws std::exception when a pair is not two numbers.
std::vector<measure::Pair> pairs_of(const json& from) {
  std::vector<measure::Pair> pairs;
  for (const json& pair : from) {
    if (pair.size() != 2) throw std::invalid_argument("not a pair: " + pair.dump());
    pairs.push_back({pair.at(0), pair.at(1)});
  }
  return pairs;
}

json to_json(const std::string& id, const measure::Comparison& result) {
  return {{"id", id},
          {"pairs", result.pairs},
          {"ratio", result.ratio},
          {"low", result.low},
          {"high", std::isfinite(result.high) ? json(result.high) : json(nullptr)},
          {"verdict", measure::verdict_name(result.verdict)}};
}

int complain(const std::string& problem) {
  std::fprintf(stderr, "bench_paired: %s\n", problem.c_str());
  return 2;
}

int answer(const json& question) {
  const measure::Bootstrap common = options_of(question, {});
  json answers = json::array();
  for (const json& comparison : question.at("comparisons")) {
    const std::string id = comparison.at("id");
    const auto result =
        measure::compare(pairs_of(comparison.at("pairs")), options_of(comparison, common));
    if (!result)
      return complain(fmt::format("comparison \"{}\": {}", id, result.error().message()));
    answers.push_back(to_json(id, *result));
  }
  fmt::print("{}\n", json{{"comparisons", answers}}.dump());
  return 0;
}

}  // namespace

int main() {
  try {
    return answer(json::parse(std::cin));
  } catch (const std::exception& error) {
    return complain(fmt::format("standard input is not as expected: {}", error.what()));
  }
}
