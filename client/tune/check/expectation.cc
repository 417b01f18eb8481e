// Every key once, every number with its range: a slip would otherwise be a wrong verdict.
#include "client/tune/check/expectation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <set>

#include "common/cli/mistakes.h"

namespace ringtune {
namespace {

constexpr double kConnectionsMax = 1e8;
constexpr double kRateMax = 1e8;
constexpr double kRttMsMax = 60'000;
constexpr double kBandwidthMin = 1e3;   // less is a unit forgotten
constexpr double kBandwidthMax = 1e13;  // 10 Tbit/s
constexpr double kIdleSMax = 1e6;
constexpr double kAddressesMax = 65'536;
constexpr double kPortMax = 65'535;

std::optional<double> number_of(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

tl::unexpected<net::Error> mistake(std::string what, std::string advice) {
  return net::fail("--expect: " + std::move(what), 0, std::move(advice));
}

net::Result<double> in_range(std::string_view key, std::string_view text, double least,
                             double most) {
  const auto value = number_of(text);
  if (!value || *value < least || *value > most) {
    return mistake(fmt::format("{}='{}'", key, text),
                   fmt::format("write a number from {:g} to {:g}", least, most));
  }
  return *value;
}

net::Result<uint64_t> whole(std::string_view key, std::string_view text, double most) {
  auto value = in_range(key, text, 1, most);
  if (!value) return tl::unexpected(value.error());
  if (*value != std::floor(*value)) {
    return mistake(fmt::format("{}='{}'", key, text), "write a whole number");
  }
  return static_cast<uint64_t>(*value);
}

// Stores the result, or hands on the mistake.
template <typename Target, typename Value>
net::Status store(Target& target, const net::Result<Value>& value) {
  if (!value) return tl::unexpected(value.error());
  target = static_cast<typename Target::value_type>(*value);
  return {};
}

net::Status store_addresses(unsigned& target, std::string_view key, std::string_view value) {
  const auto count = whole(key, value, kAddressesMax);
  if (!count) return tl::unexpected(count.error());
  target = static_cast<unsigned>(*count);
  return {};
}

net::Status take(Expectation& expected, std::string_view key, std::string_view value) {
  if (key == "connections") return store(expected.connections, whole(key, value, kConnectionsMax));
  if (key == "new_per_s") return store(expected.new_per_s, in_range(key, value, 0, kRateMax));
  if (key == "burst") return store(expected.burst, whole(key, value, kConnectionsMax));
  if (key == "rtt_ms") return store(expected.rtt_ms, in_range(key, value, 0, kRttMsMax));
  if (key == "idle_s") return store(expected.idle_s, in_range(key, value, 1, kIdleSMax));
  if (key == "sources") return store_addresses(expected.sources, key, value);
  if (key == "destinations") return store_addresses(expected.destinations, key, value);
  if (key == "port") return store(expected.port, whole(key, value, kPortMax));
  if (key == "bandwidth") {
    expected.bandwidth_bit_per_s = parse_bandwidth(value);
    if (expected.bandwidth_bit_per_s) return {};
    return mistake(fmt::format("bandwidth='{}'", value), "write 10Gbit, 940Mbit or 100kbit");
  }
  if (key == "close") {
    if (value != "client" && value != "server") {
      return mistake(fmt::format("close='{}'", value), "write close=client or close=server");
    }
    expected.closer = value == "client" ? Closer::client : Closer::server;
    return {};
  }
  if (key == "loopback") {
    if (!value.empty()) return mistake("loopback takes no value", "write loopback alone");
    expected.loopback = true;
    return {};
  }
  const std::string near =
      cli::nearest_name({"connections", "new_per_s", "burst", "rtt_ms", "bandwidth", "idle_s",
                         "sources", "destinations", "port", "close", "loopback"},
                        key);
  return mistake(fmt::format("unknown key '{}'", key),
                 near.empty() ? fmt::format("there are {}", kExpectKeys)
                              : fmt::format("did you mean '{}'?", near));
}

// As short as it goes without losing a digit: "10Gbit", "940Mbit", "1500bit".
std::string bandwidth_words(double bit_per_s) {
  double value = bit_per_s;
  std::string_view unit = "bit";
  for (const std::string_view next : {"kbit", "Mbit", "Gbit", "Tbit"}) {
    if (value < 1000) break;
    value /= 1000;
    unit = next;
  }
  return fmt::format("{:.12g}{}", value, unit);
}

}  // namespace

bool Expectation::closes_first_here() const {
  if (closer) return load ? *closer == Closer::client : *closer == Closer::server;
  return true;  // the case that costs something
}

std::optional<double> parse_bandwidth(std::string_view text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || !std::isfinite(value)) return std::nullopt;
  std::string unit(last, static_cast<size_t>(end - last));
  std::transform(unit.begin(), unit.end(), unit.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  for (const char* ending : {"bit/s", "bps", "bit"}) {
    const std::string_view tail = ending;
    if (unit.size() < tail.size() || !unit.ends_with(tail)) continue;
    unit.resize(unit.size() - tail.size());
    break;
  }
  const double factor = unit.empty()  ? 1
                        : unit == "k" ? 1e3
                        : unit == "m" ? 1e6
                        : unit == "g" ? 1e9
                        : unit == "t" ? 1e12
                                      : 0;
  const double bit_per_s = value * factor;
  if (!(bit_per_s >= kBandwidthMin) || bit_per_s > kBandwidthMax) return std::nullopt;
  return bit_per_s;
}

net::Result<Expectation> parse_expectation(const std::string& purpose, const std::string& text) {
  Expectation expected;
  expected.serve = purpose != "load";
  expected.load = purpose != "serve";
  std::set<std::string_view> seen;
  for (std::string_view rest = text; !rest.empty();) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view item = rest.substr(0, comma);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    const size_t equals = std::min(item.find('='), item.size());
    const std::string_view key = item.substr(0, equals);
    const std::string_view value = item.substr(std::min(equals + 1, item.size()));
    if (key.empty()) return mistake(fmt::format("'{}'", item), "write KEY=VALUE,KEY=VALUE");
    if (!seen.insert(key).second) {
      return mistake(fmt::format("'{}' is there twice", key), "give it once");
    }
    if (auto status = take(expected, key, value); !status) return tl::unexpected(status.error());
  }
  return expected;
}

std::string expectation_words(const Expectation& expected) {
  std::string text;
  const auto add = [&text](std::string item) {
    if (!text.empty()) text += ',';
    text += std::move(item);
  };
  if (expected.connections) add(fmt::format("connections={}", *expected.connections));
  if (expected.new_per_s) add(fmt::format("new_per_s={}", *expected.new_per_s));
  if (expected.burst) add(fmt::format("burst={}", *expected.burst));
  if (expected.rtt_ms) add(fmt::format("rtt_ms={}", *expected.rtt_ms));
  if (expected.bandwidth_bit_per_s) {
    add("bandwidth=" + bandwidth_words(*expected.bandwidth_bit_per_s));
  }
  if (expected.idle_s) add(fmt::format("idle_s={}", *expected.idle_s));
  if (expected.sources != 1) add(fmt::format("sources={}", expected.sources));
  if (expected.destinations != 1) add(fmt::format("destinations={}", expected.destinations));
  if (expected.port) add(fmt::format("port={}", *expected.port));
  if (expected.closer) {
    add(*expected.closer == Closer::client ? "close=client" : "close=server");
  }
  if (expected.loopback) add("loopback");
  return text;
}

}  // namespace ringtune
