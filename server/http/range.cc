// byte-ranges of one part. Numbers too large for 64 bits lie beyond every file.
#include "server/http/range.h"

#include <strings.h>

#include <algorithm>
#include <charconv>
#include <limits>

namespace ringserve::http {
namespace {

// False if `text` is not a number. An overflow counts as the largest number there is.
bool parse_number(std::string_view text, uint64_t& value) {
  if (text.empty()) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range) value = std::numeric_limits<uint64_t>::max();
  return error != std::errc::invalid_argument && end == text.data() + text.size();
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

RangeResult parse_range(std::string_view value, uint64_t size_bytes) {
  constexpr std::string_view kUnit = "bytes=";
  value = trim(value);
  if (value.size() < kUnit.size() || ::strncasecmp(value.data(), kUnit.data(), kUnit.size()) != 0) {
    return {};
  }
  value = trim(value.substr(kUnit.size()));
  const size_t dash = value.find('-');
  if (dash == std::string_view::npos || value.find(',') != std::string_view::npos) return {};
  const std::string_view first_text = value.substr(0, dash);
  const std::string_view last_text = value.substr(dash + 1);

  uint64_t first = 0;
  uint64_t last = std::numeric_limits<uint64_t>::max();
  if (first_text.empty()) {  // "-500": the last 500 bytes
    uint64_t suffix = 0;
    if (!parse_number(last_text, suffix)) return {};
    if (suffix == 0 || size_bytes == 0) return {RangeResult::unsatisfiable, 0, 0};
    suffix = std::min(suffix, size_bytes);
    return {RangeResult::part, size_bytes - suffix, suffix};
  }
  if (!parse_number(first_text, first)) return {};
  if (!last_text.empty() && (!parse_number(last_text, last) || last < first)) return {};
  if (first >= size_bytes) return {RangeResult::unsatisfiable, 0, 0};
  last = std::min(last, size_bytes - 1);
  return {RangeResult::part, first, last - first + 1};
}

}  // namespace ringserve::http
