// The writing half of the JSON. Figures that do not exist are null; a number without limit is null
// too, since JSON has no infinity.
#include <cmath>
#include <nlohmann/json.hpp>
#include <type_traits>

#include "client/load/report/json.h"
#include "client/load/report/json_fields.h"
#include "client/load/report/json_names.h"

namespace ringload {
namespace {

using Json = nlohmann::ordered_json;

class Writer {
 public:
  template <class T>
  using Reference = const T&;

  template <class T>
  void operator()(const char* key, const T& value) {
    object_[key] = encode(value);
  }
  template <class Compute>
  void derived(const char* key, Compute compute) {
    object_[key] = encode(compute());
  }
  void format() { object_["format"] = kJsonFormat; }
  void sockets(const char* key, const SocketSummary& sockets,
               const std::optional<Exhaustion>& exhaustion) {
    if (!sockets.facts.tcp) {
      object_[key] = nullptr;
      return;
    }
    Writer inner;
    json::visit(inner, sockets, exhaustion);
    object_[key] = std::move(inner.object_);
  }
  Json take() { return std::move(object_); }

  static Json latency_us(const measure::Histogram& ns) {
    Json figures = Json::object();
    const auto set = [&](const char* key, double value_ns) {
      figures[key] = ns.empty() ? Json() : Json(value_ns / 1000);
    };
    const auto quantile = [&](double q) { return static_cast<double>(ns.at_quantile(q)); };
    set("min", static_cast<double>(ns.min()));
    set("mean", ns.mean());
    set("stddev", ns.standard_deviation());
    set("p50", quantile(0.5));
    set("p75", quantile(0.75));
    set("p90", quantile(0.9));
    set("p95", quantile(0.95));
    set("p99", quantile(0.99));
    set("p999", quantile(0.999));
    set("p9999", quantile(0.9999));
    set("max", static_cast<double>(ns.max()));
    return figures;
  }

  static Json schedule_error_us(const measure::Histogram& ns) {
    if (ns.empty()) return {};
    const auto us = [](uint64_t value_ns) { return static_cast<double>(value_ns) / 1000; };
    return {
        {"p50", us(ns.at_quantile(0.5))}, {"p99", us(ns.at_quantile(0.99))}, {"max", us(ns.max())}};
  }

 private:
  static Json encode(const Json& value) { return value; }
  static Json encode(const std::string& value) { return value; }
  static Json encode(const char* value) { return value; }
  static Json encode(double value) { return std::isfinite(value) ? Json(value) : Json(); }
  static Json encode(CloseBy value) { return json::name_of(value); }
  static Json encode(BodyMode value) { return json::name_of(value); }
  static Json encode(unsigned key) { return key; }

  static Json encode(const measure::Histogram& histogram) {
    const measure::Histogram::State state = histogram.state();
    return {{"unit", "ns"},     {"precision_bits", measure::Histogram::kPrecisionBits},
            {"min", state.min}, {"max", state.max},
            {"sum", state.sum}, {"buckets", state.buckets}};
  }

  template <class T>
  static Json encode(const std::optional<T>& value) {
    return value ? encode(*value) : Json();
  }
  template <class T>
  static Json encode(const std::vector<T>& values) {
    Json list = Json::array();
    for (const T& value : values) list.push_back(encode(value));
    return list;
  }
  template <class Key, class T>
  static Json encode(const std::map<Key, T>& values) {
    Json object = Json::object();
    for (const auto& [key, value] : values) object[json::key_text(key)] = encode(value);
    return object;
  }
  template <class T>
  static Json encode(const T& value) {
    if constexpr (std::is_arithmetic_v<T>) {
      return value;
    } else {
      Writer inner;
      json::visit(inner, value);
      return std::move(inner.object_);
    }
  }

  Json object_ = Json::object();
};

// What is not UTF-8, in a URL for example, is replaced: the file stays readable.
std::string compact(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string to_json(const Outcome& outcome) {
  Writer writer;
  json::visit(writer, outcome);
  const Json document = writer.take();

  std::string text = "{";
  for (const auto& [key, value] : document.items()) {
    if (text.size() > 1) text += ',';
    text += "\n\"" + key + "\": ";
    if (key != "seconds" || value.empty()) {
      text += compact(value);
      continue;
    }
    const char* before = "[\n";
    for (const Json& row : value) text += std::exchange(before, ",\n") + compact(row);
    text += "\n]";
  }
  return text + "\n}\n";
}

}  // namespace ringload
