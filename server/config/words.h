// The small things that checks of settings are made of: choices, numbers, tokens. Pure text.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "common/net/result.h"

namespace ringserve::config {

// For a terminal: '?' in the place of a control character.
char printable(char c);
std::string printable(std::string_view text);

// In quotes, control characters as \xHH: a message must not steer a terminal.
std::string in_quotes(std::string_view text);

std::string lower_case(std::string_view text);

// RFC 9110 section 5.6.2.
bool is_token(std::string_view text);
bool has_control_characters(std::string_view text);

// "a=b=c": "a" and "b=c"; nothing where there is no '=' or nothing before it.
std::optional<std::pair<std::string, std::string>> split_pair(std::string_view text);

// A whole decimal number in the range.
net::Result<uint64_t> parse_number(std::string_view text, uint64_t min, uint64_t max);
// In bytes, or with a unit, whatever its case: "512k", "64MiB", "1 GB"; all are powers of 1024.
net::Result<uint64_t> parse_size(std::string_view text, uint64_t max);

// A value that has a name.
template <typename T>
struct Choice {
  std::string_view name;
  T value;
};

inline constexpr Choice<bool> kOnOff[] = {{"off", false}, {"on", true}};

template <typename T>
std::string list_names(std::span<const Choice<T>> choices) {
  std::string list;
  for (const auto& choice : choices) {
    if (!list.empty()) list += ", ";
    list += choice.name;
  }
  return list;
}

template <typename T>
net::Result<T> choose(std::string_view text, std::span<const Choice<T>> choices) {
  for (const auto& choice : choices) {
    if (choice.name == text) return choice.value;
  }
  return net::fail(fmt::format("{} is not one of {}", in_quotes(text), list_names(choices)), 0);
}

}  // namespace ringserve::config
