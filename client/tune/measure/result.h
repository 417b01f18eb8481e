// What `ringtune measure` found out, and the forms in which it is told. Each only reads it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "client/tune/measure/experiment.h"
#include "client/tune/measure/witnesses.h"

namespace ringtune {

struct ValueResult {
  std::string value;
  std::vector<::measure::Comparison> metrics;  // value against baseline
  Finding finding = Finding::unclear;          // of the first metric
  std::vector<Witness> witnesses;
  SubjectSamples samples;
};

struct ParameterResult {
  std::string name;
  std::string baseline;
  std::vector<ValueResult> values;
};

struct MeasureResult {
  Workload workload;
  std::string kernel;
  std::string wiring;
  std::vector<std::string> command;  // of the workload "command"
  double seconds = 0;                // of a sample
  size_t pairs = 0;                  // complete rounds
  size_t pairs_wanted = 0;
  bool is_interrupted = false;
  std::vector<Setting> settings;        // in every network
  std::vector<std::string> not_copied;  // of the host
  ::measure::Comparison control;        // of the first metric
  SubjectSamples baseline;
  SubjectSamples control_samples;
  std::vector<ParameterResult> parameters;
};

std::string kernel_release();

nlohmann::json json_of(const MeasureResult& result);
std::string text_of(const MeasureResult& result);
std::string html_of(const MeasureResult& result);

// "12.3 k/s", "0.87 ms": the median of a metric.
std::string amount_text(const Metric& metric, const SubjectSamples& samples, size_t index);
std::string ratio_text(double ratio);                                // three significant digits
std::string interval_text(const ::measure::Comparison& comparison);  // "[0.97, 1.02]"

}  // namespace ringtune
