// The result for programs: README.md has the table of the keys; `ringtune emit --from` reads it.
#include <cmath>

#include "client/tune/measure/result.h"

namespace ringtune {
namespace {

constexpr int kFormat = 1;

// JSON has no infinity: the end of an interval from too few pairs is null.
nlohmann::json number(double value) {
  return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json();
}

nlohmann::json json_of(const ::measure::Comparison& comparison) {
  return {{"ratio", number(comparison.ratio)},
          {"low", number(comparison.low)},
          {"high", number(comparison.high)}};
}

nlohmann::json raw(const SubjectSamples& samples) {
  nlohmann::json rows = nlohmann::json::array();
  for (const Sample& sample : samples.samples) {
    rows.push_back({{"metrics", sample.values}, {"witnesses", sample.witnesses}});
  }
  return rows;
}

nlohmann::json json_of(const ValueResult& value, const Workload& workload) {
  nlohmann::json json = json_of(value.metrics.front());
  json["value"] = value.value;
  json["verdict"] = finding_name(value.finding);
  nlohmann::json metrics = nlohmann::json::array();
  for (size_t i = 0; i < workload.metrics.size(); ++i) {
    nlohmann::json metric = json_of(value.metrics[i]);
    metric["name"] = workload.metrics[i].name;
    metrics.push_back(std::move(metric));
  }
  json["metrics"] = std::move(metrics);
  nlohmann::json witnesses = nlohmann::json::object();
  for (const Witness& witness : value.witnesses) {
    witnesses[witness.name] = {{"baseline", witness.baseline},
                               {"value", witness.value},
                               {"telling", witness.is_telling},
                               {"meaning", witness.meaning}};
  }
  json["witnesses"] = std::move(witnesses);
  json["samples"] = raw(value.samples);
  return json;
}

}  // namespace

nlohmann::json json_of(const MeasureResult& result) {
  nlohmann::json metrics = nlohmann::json::array();
  for (const Metric& metric : result.workload.metrics) {
    metrics.push_back({{"name", metric.name},
                       {"unit", metric.unit},
                       {"better", metric.more_is_better ? "more" : "less"}});
  }
  nlohmann::json parameters = nlohmann::json::array();
  for (const ParameterResult& parameter : result.parameters) {
    nlohmann::json values = nlohmann::json::array();
    for (const ValueResult& value : parameter.values) {
      values.push_back(json_of(value, result.workload));
    }
    parameters.push_back(
        {{"name", parameter.name}, {"baseline", parameter.baseline}, {"values", values}});
  }
  nlohmann::json settings = nlohmann::json::object();
  for (const Setting& setting : result.settings) settings[setting.name] = setting.value;
  nlohmann::json control = json_of(result.control);
  control["samples"] = raw(result.control_samples);
  return {{"ringtune", RINGTUNE_VERSION},
          {"format", kFormat},
          {"command", "measure"},
          {"kernel", result.kernel},
          {"workload", result.workload.name},
          {"user_command", result.command},
          {"wiring", result.wiring},
          {"seconds", result.seconds},
          {"pairs", result.pairs},
          {"pairs_wanted", result.pairs_wanted},
          {"interrupted", result.is_interrupted},
          {"noisy", !contains_one(result.control)},
          {"metrics", metrics},
          {"settings", settings},
          {"not_copied", result.not_copied},
          {"baseline", {{"samples", raw(result.baseline)}}},
          {"control", control},
          {"parameters", parameters}};
}

}  // namespace ringtune
