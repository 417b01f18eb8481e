// Weights are counted in thousandths: RFC 9110 section 12.4.2 allows three decimals.
#include "server/http/accept.h"

#include <algorithm>
#include <array>
#include <optional>

#include "common/check.h"
#include "server/http/limits.h"
#include "server/http/text.h"

namespace ringserve::http {
namespace {

constexpr int kWeightMax = 1000;

// "0.75" as 750; nothing for what is no qvalue.
std::optional<int> parse_qvalue(std::string_view text) {
  if (text.empty() || (text.front() != '0' && text.front() != '1')) return std::nullopt;
  int weight = (text.front() - '0') * kWeightMax;
  text.remove_prefix(1);
  if (text.empty()) return weight;
  if (text.front() != '.' || text.size() > 4) return std::nullopt;
  int unit = kWeightMax;
  for (const char digit : text.substr(1)) {
    if (digit < '0' || digit > '9') return std::nullopt;
    weight += (digit - '0') * (unit /= 10);
  }
  return weight <= kWeightMax ? std::optional(weight) : std::nullopt;
}

// Takes the next ";name=value" off the front; false at the end, or, with something left, where it
// is malformed.
bool next_parameter(std::string_view& rest, std::string_view& name, std::string_view& value) {
  if (!trim(rest).starts_with(';')) return false;
  rest.remove_prefix(std::min(rest.find_first_not_of("; \t"), rest.size()));
  const size_t equals = rest.find('=');
  if (equals == std::string_view::npos || !is_token(rest.substr(0, equals))) return false;
  name = rest.substr(0, equals);
  rest.remove_prefix(equals + 1);
  size_t end = 0;
  if (rest.starts_with('"')) {
    for (end = 1; end < rest.size() && rest[end] != '"'; ++end) {
      if (rest[end] == '\\') ++end;
    }
    ++end;
  } else {
    end = rest.find_first_of("; \t");
  }
  end = std::min(end, rest.size());
  value = rest.substr(0, end);
  rest.remove_prefix(end);
  return true;
}

struct Preference {
  std::string_view name;  // a coding, or a media range without its parameters
  int weight = kWeightMax;
};

// Nothing for a malformed element. Other parameters than q are of no concern here: nothing that
// this server sends has them.
std::optional<Preference> parse_element(std::string_view element) {
  Preference preference;
  const size_t semicolon = std::min(element.find(';'), element.size());
  preference.name = trim(element.substr(0, semicolon));
  element.remove_prefix(semicolon);
  std::string_view name, value;
  while (next_parameter(element, name, value)) {
    if (!equals_ignoring_case(name, "q")) continue;
    const auto weight = parse_qvalue(value);
    if (!weight) return std::nullopt;
    preference.weight = *weight;
  }
  if (!trim(element).empty()) return std::nullopt;
  return preference;
}

// RFC 9110 section 8.4.1.3: "x-gzip" is what gzip was called.
bool names_coding(std::string_view name, std::string_view coding) {
  if (equals_ignoring_case(name, "x-gzip")) name = "gzip";
  return equals_ignoring_case(name, coding);
}

}  // namespace

CodingChoice choose_coding(std::string_view accept_encoding,
                           std::span<const std::string_view> codings) {
  CHECK(codings.size() <= kCodingsMax);
  std::array<std::optional<int>, kCodingsMax> weights;
  std::optional<int> identity, others;
  std::string_view element;
  while (next_element(accept_encoding, element)) {
    const auto preference = parse_element(element);
    if (!preference || !is_token(preference->name)) continue;
    if (preference->name == "*") others = preference->weight;
    if (equals_ignoring_case(preference->name, "identity")) identity = preference->weight;
    for (size_t i = 0; i < codings.size(); ++i) {
      if (names_coding(preference->name, codings[i])) weights[i] = preference->weight;
    }
  }
  // Not excluded, but not asked for either, identity is what is taken when nothing else is.
  if (!identity) identity = others;
  CodingChoice choice{CodingChoice::kIdentity, identity.value_or(1) > 0};
  int best = identity.value_or(0);
  for (size_t i = 0; i < codings.size(); ++i) {
    const int weight = weights[i].value_or(others.value_or(0));
    const bool ties_with_identity = weight == best && choice.index == CodingChoice::kIdentity;
    if (weight == 0 || (weight <= best && !ties_with_identity)) continue;
    choice = {static_cast<int>(i), true};
    best = weight;
  }
  return choice;
}

bool prefers_json(std::string_view accept) {
  // Of each: the weight by the most precise media range that covers it, and how precise that was.
  struct Type {
    std::string_view name, range;
    int weight = 0, precision = 0;
  };
  std::array<Type, 2> types = {{{"application/json", "application/*"}, {"text/html", "text/*"}}};
  std::string_view element;
  while (next_element(accept, element)) {
    const auto preference = parse_element(element);
    if (!preference) continue;
    for (Type& type : types) {
      const int precision = equals_ignoring_case(preference->name, type.name)    ? 3
                            : equals_ignoring_case(preference->name, type.range) ? 2
                            : preference->name == "*/*"                          ? 1
                                                                                 : 0;
      if (precision == 0 || precision < type.precision) continue;
      type.precision = precision;
      type.weight = preference->weight;
    }
  }
  return types[0].weight > types[1].weight;
}

}  // namespace ringserve::http
