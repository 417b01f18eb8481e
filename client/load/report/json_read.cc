// The reading half of the JSON. It collects what is missing or of the wrong kind, by the path of
// its key, and hands out an Outcome only when nothing is.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <type_traits>

#include "client/load/report/json.h"
#include "client/load/report/json_fields.h"
#include "client/load/report/json_names.h"

namespace ringload {
namespace {

using Json = nlohmann::json;

struct Problems {
  std::vector<std::string> missing;
  std::vector<std::string> wrong;  // "requests is not a whole number"

  bool none() const { return missing.empty() && wrong.empty(); }
  std::string text() const {
    constexpr size_t kNamed = 8;
    std::vector<std::string> all;
    for (const std::string& key : missing) all.push_back(key + " is missing");
    all.insert(all.end(), wrong.begin(), wrong.end());
    const size_t more = all.size() > kNamed ? all.size() - kNamed : 0;
    all.resize(all.size() - more);
    return fmt::format("{}{}", fmt::join(all, ", "),
                       more > 0 ? fmt::format(", and {} more", more) : "");
  }
};

class Reader {
 public:
  template <class T>
  using Reference = T&;

  Reader(const Json& object, std::string path, Problems& problems)
      : object_(object), path_(std::move(path)), problems_(problems) {}

  template <class T>
  void operator()(const char* key, T& value) {
    if (const Json* found = find(key)) decode(*found, path_ + key, value);
  }
  template <class Compute>
  void derived(const char*, Compute) {}
  void format() {}  // judged before the reading begins
  void sockets(const char* key, SocketSummary& sockets, std::optional<Exhaustion>& exhaustion) {
    const Json* found = find(key);
    if (found == nullptr) return;
    sockets.facts.tcp = !found->is_null();
    if (found->is_null()) return;
    if (!found->is_object()) return wrong(path_ + key, "an object or null");
    Reader inner(*found, path_ + key + ".", problems_);
    json::visit(inner, sockets, exhaustion);
  }
  // Named by `derived`, which never calls them here.
  static int latency_us(const measure::Histogram&) { return 0; }
  static int schedule_error_us(const measure::Histogram&) { return 0; }

 private:
  const Json* find(const char* key) {
    const auto found = object_.find(key);
    if (found != object_.end()) return &*found;
    problems_.missing.push_back(path_ + key);
    return nullptr;
  }
  void wrong(const std::string& path, std::string_view kind) {
    problems_.wrong.push_back(fmt::format("{} is not {}", path, kind));
  }

  void decode(const Json& from, const std::string& path, bool& value) {
    if (!from.is_boolean()) return wrong(path, "true or false");
    value = from.get<bool>();
  }
  void decode(const Json& from, const std::string& path, double& value) {
    if (from.is_null()) {
      value = std::numeric_limits<double>::infinity();
    } else if (from.is_number()) {
      value = from.get<double>();
    } else {
      wrong(path, "a number");
    }
  }
  void decode(const Json& from, const std::string& path, uint64_t& value) {
    if (!from.is_number_unsigned()) return wrong(path, "a whole number");
    value = from.get<uint64_t>();
  }
  void decode(const Json& from, const std::string& path, unsigned& value) {
    uint64_t wide = 0;
    decode(from, path, wide);
    if (wide > std::numeric_limits<unsigned>::max()) return wrong(path, "below 2^32");
    value = static_cast<unsigned>(wide);
  }
  void decode(const Json& from, const std::string& path, int& value) {
    if (!from.is_number_integer()) return wrong(path, "a whole number");
    value = from.get<int>();
  }
  void decode(const Json& from, const std::string& path, std::string& value) {
    if (!from.is_string()) return wrong(path, "a string");
    value = from.get<std::string>();
  }
  void decode(const Json& from, const std::string& path, measure::Histogram& histogram);

  template <class T>
  void decode(const Json& from, const std::string& path, std::optional<T>& value) {
    if (!from.is_null()) decode(from, path, value.emplace());
  }
  template <class T>
  void decode(const Json& from, const std::string& path, std::vector<T>& values) {
    if (!from.is_array()) return wrong(path, "a list");
    for (const Json& element : from) {
      const std::string element_path = fmt::format("{}[{}]", path, values.size());
      decode(element, element_path, values.emplace_back());
    }
  }
  template <class Key, class T>
  void decode(const Json& from, const std::string& path, std::map<Key, T>& values) {
    if (!from.is_object()) return wrong(path, "an object");
    for (const auto& [text, element] : from.items()) {
      Key key{};
      if (!json::parse_key(text, key)) return wrong(path + "." + text, "a known key");
      decode(element, path + "." + text, values[key]);
    }
  }
  template <class T>
  void decode(const Json& from, const std::string& path, T& value) {
    if constexpr (std::is_enum_v<T>) {
      for (const auto& [known, name] : json::names_of(value)) {
        if (from == name) return void(value = known);
      }
      wrong(path, "one of the known names");
    } else {
      if (!from.is_object()) return wrong(path, "an object");
      Reader inner(from, path + ".", problems_);
      json::visit(inner, value);
    }
  }

  const Json& object_;
  std::string path_;  // of `object_`, with a dot at its end
  Problems& problems_;
};

// Nothing that no recording could have left, lest a damaged file gives wrong figures.
bool is_plausible(const measure::Histogram::State& state) {
  uint64_t count = 0;
  for (const auto& [index, times] : state.buckets) {
    if (__builtin_add_overflow(count, times, &count)) return false;
  }
  const auto sum = static_cast<long double>(state.sum);
  return sum >= static_cast<long double>(state.min) * count &&
         sum <= static_cast<long double>(state.max) * count;
}

struct HistogramFields {
  std::string unit;
  unsigned precision_bits = 0;
  measure::Histogram::State state;
};

void Reader::decode(const Json& from, const std::string& path, measure::Histogram& histogram) {
  if (!from.is_object()) return wrong(path, "an object");
  const size_t before = problems_.missing.size() + problems_.wrong.size();
  HistogramFields fields;
  std::vector<std::vector<uint64_t>> pairs;
  Reader inner(from, path + ".", problems_);
  inner("unit", fields.unit);
  inner("precision_bits", fields.precision_bits);
  inner("min", fields.state.min);
  inner("max", fields.state.max);
  inner("sum", fields.state.sum);
  inner("buckets", pairs);
  if (problems_.missing.size() + problems_.wrong.size() != before) return;
  if (fields.unit != "ns" || fields.precision_bits != measure::Histogram::kPrecisionBits) {
    return wrong(path, fmt::format("in ns with {} bits", measure::Histogram::kPrecisionBits));
  }
  for (const std::vector<uint64_t>& pair : pairs) {
    if (pair.size() != 2 || pair[0] >= measure::Histogram::kBuckets) {
      return wrong(path + ".buckets", "a list of [index, count]");
    }
    fields.state.buckets.emplace_back(static_cast<uint32_t>(pair[0]), pair[1]);
  }
  if (!is_plausible(fields.state) || !histogram.merge_state(fields.state)) {
    wrong(path, "a state that recording could have left");
  }
}

net::Result<Json> parse_text(std::string_view text, const std::string& file_name) {
  constexpr const char* kAdvice = "expected a file written by ringload --json";
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& error) {
    return net::fail(fmt::format("{}: no JSON (at byte {})", file_name, error.byte), 0, kAdvice);
  } catch (const Json::exception&) {  // a number beyond a double
    return net::fail(file_name + ": holds a number out of range", 0, kAdvice);
  }
}

}  // namespace

net::Result<Outcome> from_json(std::string_view text, const std::string& file_name) {
  const auto document = parse_text(text, file_name);
  if (!document) return tl::unexpected(document.error());
  if (!document->is_object() || !document->contains("ringload")) {
    return net::fail(file_name + ": not a result of ringload (there is no key \"ringload\")", 0,
                     "expected a file written by ringload --json");
  }
  const Json format = document->value("format", Json());
  if (format != kJsonFormat) {
    return net::fail(fmt::format("{}: its format is {}, this ringload reads {}", file_name,
                                 format.dump(), kJsonFormat),
                     0, "use the version of ringload that wrote it");
  }
  net::Result<Outcome> outcome;
  Problems problems;
  Reader reader(*document, "", problems);
  json::visit(reader, *outcome);
  if (!problems.none()) {
    return net::fail(fmt::format("{}: not a result of ringload: {}", file_name, problems.text()), 0,
                     "expected a file written by ringload --json");
  }
  return outcome;
}

}  // namespace ringload
