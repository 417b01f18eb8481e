// Negotiation: what is chosen was offered and is not refused, and where the field follows the
// grammar of RFC 9110 section 12.4.2 to the letter, it is what a slow reading prefers. Input: the
// codings that are offered, a value of Accept-Encoding, a value of Accept.
#include "server/http/accept.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/check.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/text.h"

namespace {

using ringserve::http::choose_coding;
using ringserve::http::CodingChoice;
using ringserve::http::prefers_json;

constexpr int kWeightMax = 1000;

// qvalue in thousandths; nothing where it is none.
std::optional<int> weight_of(std::string_view text) {
  const size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  const std::string_view decimals =
      point == std::string_view::npos ? std::string_view() : text.substr(point + 1);
  if (whole != "0" && whole != "1") return std::nullopt;
  if (decimals.size() > 3 || (!decimals.empty() && !fuzz::is_digits(decimals))) return std::nullopt;
  const int weight = std::stoi(std::string(whole) + (std::string(decimals) + "000").substr(0, 3));
  if (weight > kWeightMax) return std::nullopt;
  return weight;
}

using Weights = std::map<std::string, int>;

// Every element well-formed, none twice; else nothing.
std::optional<Weights> read_codings(std::string_view value) {
  Weights weights;
  for (const std::string_view element : fuzz::split(value, ',')) {
    const auto parts = fuzz::split(fuzz::trim(element), ';');
    if (parts.size() > 2) return std::nullopt;
    std::string name = fuzz::lower_case(fuzz::trim(parts[0]));
    if (name == "x-gzip") name = "gzip";  // section 8.4.1.3
    int weight = kWeightMax;
    if (parts.size() == 2) {
      const std::string_view parameter = fuzz::trim(parts[1]);
      if (fuzz::lower_case(parameter.substr(0, 2)) != "q=") return std::nullopt;
      const auto given = weight_of(parameter.substr(2));
      if (!given) return std::nullopt;
      weight = *given;
    }
    if (!fuzz::is_token(name) || !weights.emplace(name, weight).second) return std::nullopt;
  }
  return weights;
}

int weight_in(const Weights& weights, const std::string& name) {
  if (const auto found = weights.find(name); found != weights.end()) return found->second;
  if (const auto any = weights.find("*"); any != weights.end()) return any->second;
  return name == "identity" ? 1 : 0;  // section 12.5.3: without a word acceptable, but no more
}

void check_coding(std::string_view value, const std::vector<std::string_view>& offered) {
  const CodingChoice choice = choose_coding(value, offered);
  CHECK(choice.index >= CodingChoice::kIdentity);
  CHECK(choice.index < static_cast<int>(offered.size()));
  if (!choice.acceptable) CHECK(choice.index == CodingChoice::kIdentity);
  if (fuzz::trim(value).empty())
    CHECK(choice.index == CodingChoice::kIdentity && choice.acceptable);

  const auto weights = read_codings(value);
  if (!weights) return;
  int best = CodingChoice::kIdentity;
  int best_weight = 0;
  for (size_t i = 0; i < offered.size(); ++i) {
    const int weight = weight_in(*weights, std::string(offered[i]));
    if (weight > best_weight) best = static_cast<int>(i), best_weight = weight;
  }
  const int identity = weight_in(*weights, "identity");
  if (identity > best_weight) best = CodingChoice::kIdentity, best_weight = identity;
  CHECK(choice.acceptable == (best_weight > 0));
  CHECK(!choice.acceptable || choice.index == best);
}

// Only names without parameters: what those weigh is for the unit tests.
void check_json(std::string_view value) {
  const bool json = prefers_json(value);
  const std::string lower = fuzz::lower_case(value);
  const bool may_be =
      lower.find("json") != std::string::npos || lower.find('*') != std::string::npos;
  CHECK(!json || may_be);
  if (lower == "application/json") CHECK(json);
  if (lower == "text/html" || lower == "*/*" || fuzz::trim(lower).empty()) CHECK(!json);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  constexpr std::string_view kKnown[] = {"br", "zstd", "gzip"};
  std::vector<std::string_view> offered;
  for (const std::string_view name : fuzz::split(input.line(), ' ')) {
    const bool known = std::find(std::begin(kKnown), std::end(kKnown), name) != std::end(kKnown);
    const bool twice = std::find(offered.begin(), offered.end(), name) != offered.end();
    if (known && !twice) offered.push_back(name);
  }
  const fuzz::Exact accept_encoding(input.line());
  check_coding(accept_encoding.view(), offered);
  const fuzz::Exact accept(input.line());
  check_json(accept.view());
  return 0;
}
