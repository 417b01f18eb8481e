// Checks that say what is allowed.
#include "server/config/words.h"

#include <algorithm>
#include <charconv>

#include "server/http/text.h"

namespace ringserve::config {

namespace {

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

}  // namespace

char printable(char c) { return is_control(c) ? '?' : c; }

std::string printable(std::string_view text) {
  std::string shown(text);
  for (char& c : shown) c = printable(c);
  return shown;
}

std::string in_quotes(std::string_view text) {
  std::string shown = "'";
  for (const char c : text) {
    if (is_control(c)) {
      shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      shown += c;
    }
  }
  return shown + "'";
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
  return lower;
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), http::is_token_char);
}

bool has_control_characters(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

std::optional<std::pair<std::string, std::string>> split_pair(std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) return std::nullopt;
  return std::pair(std::string(http::trim(text.substr(0, equals))),
                   std::string(http::trim(text.substr(equals + 1))));
}

net::Result<uint64_t> parse_number(std::string_view text, uint64_t min, uint64_t max) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  if (!is_number || number < min || number > max) {
    return net::fail(
        fmt::format("{} is not a whole number from {} to {}", in_quotes(text), min, max), 0);
  }
  return number;
}

net::Result<uint64_t> parse_size(std::string_view text, uint64_t max) {
  constexpr std::string_view kPowers = "bkmgt";  // of 1024
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string unit = lower_case(http::trim(text.substr(digits)));
  const size_t power = unit.empty() ? 0 : kPowers.find(unit.front());
  const std::string rest = unit.empty() ? "" : unit.substr(1);
  const bool is_unit = rest.empty() ? power != std::string_view::npos
                                    : power > 0 && power < kPowers.size() &&
                                          (rest == "b" || rest == "i" || rest == "ib");
  const unsigned shift = is_unit ? 10 * static_cast<unsigned>(power) : 0;
  const auto number = parse_number(text.substr(0, digits), 0, max >> shift);
  if (!is_unit || !number) {
    return net::fail(fmt::format("{} is not a size from 0 to {} bytes, such as 1000000, 512KiB, "
                                 "64MiB or 1GiB",
                                 in_quotes(text), max),
                     0);
  }
  return *number << shift;
}

}  // namespace ringserve::config
