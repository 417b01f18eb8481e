// nlohmann::json throws; what it throws becomes an Error here and goes no further.
#include "client/tune/emit/measured.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "client/tune/conf/sysctl_file.h"
#include "common/net/read_file.h"

namespace ringtune {
namespace {

using nlohmann::json;

constexpr size_t kMeasuredBytesMax = 16 << 20;

bool is_control_letter(char letter) {
  const auto code = static_cast<unsigned char>(letter);
  return code < 0x20 || code == 0x7f;
}

// It becomes part of a configuration file: one line, nothing a terminal would obey.
bool is_plain_line(std::string_view text) {
  return std::none_of(text.begin(), text.end(), is_control_letter);
}

// The parser quotes what it stumbled over.
std::string printable(std::string text) {
  std::replace_if(text.begin(), text.end(), is_control_letter, '?');
  return text;
}

std::string plain_text(const json& object, const char* key) {
  auto text = object.at(key).get<std::string>();
  if (!is_plain_line(text)) throw std::runtime_error(fmt::format("'{}' is not one line", key));
  return text;
}

// JSON has no infinity: null is the end of an interval that has none.
std::optional<double> number_or_nothing(const json& number) {
  return number.is_null() ? std::nullopt : std::optional(number.get<double>());
}

MeasuredValue value_of(const json& object) {
  MeasuredValue value;
  value.value = plain_text(object, "value");
  value.ratio = number_or_nothing(object.at("ratio"));
  value.low = number_or_nothing(object.at("low"));
  value.high = number_or_nothing(object.at("high"));
  value.verdict = plain_text(object, "verdict");
  return value;
}

MeasuredParameter parameter_of(const json& object) {
  MeasuredParameter parameter;
  parameter.name = plain_text(object, "name");
  const auto path = path_of_parameter(parameter.name);
  if (!path) throw std::runtime_error(path.error().message());
  parameter.baseline = plain_text(object, "baseline");
  for (const json& value : object.at("values")) parameter.values.push_back(value_of(value));
  return parameter;
}

}  // namespace

net::Result<Measured> parse_measured(std::string_view text, const std::string& origin) {
  const std::string advice = "give what ringtune measure --json wrote";
  try {
    const json document = json::parse(text);
    if (document.at("format") != kMeasuredFormat ||
        document.at("command").get<std::string>() != "measure") {
      return net::fail(
          fmt::format("{}: not of ringtune measure, format {}", origin, kMeasuredFormat), 0,
          advice);
    }
    Measured measured;
    measured.kernel = plain_text(document, "kernel");
    measured.workload = plain_text(document, "workload");
    measured.is_noisy = document.value("noisy", false);
    measured.is_interrupted = document.value("interrupted", false);
    for (const json& parameter : document.at("parameters")) {
      measured.parameters.push_back(parameter_of(parameter));
    }
    return measured;
  } catch (const std::exception& error) {
    return net::fail(fmt::format("{}: {}", origin, printable(error.what())), 0, advice);
  }
}

net::Result<Measured> read_measured(const std::string& path) {
  const auto text = net::read_file(path, kMeasuredBytesMax);
  if (!text) return tl::unexpected(text.error());
  return parse_measured(*text, path);
}

}  // namespace ringtune
