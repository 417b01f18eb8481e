// What is wrong is thrown, by nlohmann::json too, and becomes an Error here: it goes no further.
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

// A value of the document and the way to it, which what is wrong with it is told by:
// "parameters[0].values[1].ratio".
class Place {
 public:
  Place(const json& value, std::string path) : value_(value), path_(std::move(path)) {}

  Place at(const char* key) const {
    if (!value_.is_object()) fail("an object is expected here");
    const auto found = value_.find(key);
    const std::string path = path_.empty() ? key : path_ + "." + key;
    if (found == value_.end()) throw std::runtime_error(fmt::format("{} is missing", path));
    return {*found, path};
  }
  std::vector<Place> each() const {
    if (!value_.is_array()) fail("a list is expected here");
    std::vector<Place> places;
    for (size_t i = 0; i < value_.size(); ++i) {
      places.emplace_back(value_[i], fmt::format("{}[{}]", path_, i));
    }
    return places;
  }
  std::string plain_text() const {
    if (!value_.is_string()) fail("a text is expected here");
    auto text = value_.get<std::string>();
    if (!is_plain_line(text)) fail("it is not one plain line");
    return text;
  }
  // JSON has no infinity: null is the end of an interval that has none.
  std::optional<double> number_or_nothing() const {
    if (value_.is_null()) return std::nullopt;
    if (!value_.is_number()) fail("a number, or null, is expected here");
    return value_.get<double>();
  }
  bool flag() const {
    if (!value_.is_boolean()) fail("true or false is expected here");
    return value_.get<bool>();
  }
  bool has(const char* key) const { return value_.contains(key); }
  bool is(int number) const { return value_ == number; }
  [[noreturn]] void fail(std::string_view what) const {
    throw std::runtime_error(
        fmt::format("{}: {}; it is {}", path_.empty() ? "the whole" : path_, what, shown()));
  }

 private:
  std::string shown() const {
    constexpr size_t kLettersMax = 40;
    std::string text = value_.dump(-1, ' ', false, json::error_handler_t::replace);
    if (text.size() > kLettersMax) text = text.substr(0, kLettersMax) + "...";
    return text;
  }

  const json& value_;
  std::string path_;
};

std::string parameter_name(const Place& place) {
  std::string name = place.plain_text();
  if (const auto path = path_of_parameter(name); !path) place.fail(path.error().message());
  return name;
}

MeasuredRatio ratio_of(const Place& place) {
  return {place.at("ratio").number_or_nothing(), place.at("low").number_or_nothing(),
          place.at("high").number_or_nothing(), place.at("verdict").plain_text()};
}

MeasuredParameter parameter_of(const Place& place) {
  MeasuredParameter parameter;
  parameter.name = parameter_name(place.at("name"));
  parameter.baseline = place.at("baseline").plain_text();
  for (const Place& value : place.at("values").each()) {
    parameter.values.push_back({ratio_of(value), value.at("value").plain_text()});
  }
  return parameter;
}

ScreenedParameter screened_of(const Place& place) {
  return {parameter_name(place.at("name")), place.at("low_value").plain_text(),
          place.at("high_value").plain_text(), ratio_of(place)};
}

Measured measured_of(const Place& document) {
  if (!document.at("format").is(kMeasuredFormat)) {
    document.at("format").fail(fmt::format("format {} is known", kMeasuredFormat));
  }
  const std::string command = document.at("command").plain_text();
  if (command != "measure" && command != "search") {
    document.at("command").fail("'measure' or 'search' is expected here");
  }
  Measured measured;
  measured.kernel = document.at("kernel").plain_text();
  measured.workload = document.at("workload").plain_text();
  measured.is_noisy = document.has("noisy") && document.at("noisy").flag();
  measured.is_interrupted = document.has("interrupted") && document.at("interrupted").flag();
  for (const Place& parameter : document.at("parameters").each()) {
    measured.parameters.push_back(parameter_of(parameter));
  }
  if (command == "search") {
    for (const Place& factor : document.at("screening").at("factors").each()) {
      measured.screened.push_back(screened_of(factor));
    }
  }
  return measured;
}

}  // namespace

net::Result<Measured> parse_measured(std::string_view text, const std::string& origin) {
  const auto not_such_a_file = [&origin](std::string_view why) {
    return net::fail(fmt::format("{}: {}", origin, printable(std::string(why))), 0,
                     "give what ringtune measure --json or ringtune search --json wrote");
  };
  try {
    const json document = json::parse(text);
    return measured_of(Place(document, ""));
  } catch (const json::exception& error) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: ..."
    const std::string_view what = error.what();
    const size_t end = what.find("] ");
    return not_such_a_file(end == std::string_view::npos ? what : what.substr(end + 2));
  } catch (const std::exception& error) {
    return not_such_a_file(error.what());
  }
}

net::Result<Measured> read_measured(const std::string& path) {
  const auto text = net::read_file(path, kMeasuredBytesMax);
  if (!text) return tl::unexpected(text.error());
  return parse_measured(*text, path);
}

}  // namespace ringtune
