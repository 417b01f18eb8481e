// What field values are made of: white space, tokens, comma-separated lists. RFC 9110 section 5.6.
// Pure functions on views; nothing is copied.
#pragma once

#include <cstdint>
#include <string_view>

namespace ringserve::http {

// RFC 9110 section 5.6.2.
bool is_token_char(char c);
bool is_token(std::string_view text);  // not empty

// In ASCII, whatever the locale.
bool equals_ignoring_case(std::string_view a, std::string_view b);
bool starts_with_ignoring_case(std::string_view text, std::string_view prefix);

// Without the optional white space (section 5.6.3) around it.
std::string_view trim(std::string_view text);

// Takes the next element off the front of a list, trimmed and never empty: empty elements mean
// nothing (section 5.6.1.2). A comma within a quoted string (section 5.6.4) does not separate.
// False at the end.
bool next_element(std::string_view& rest, std::string_view& element);

// 0 to 15, or -1.
int hex_digit(char c);

// Appends `byte` as "%2F".
template <typename String>
void append_percent_encoded(char byte, String& out) {
  constexpr char kHex[] = "0123456789ABCDEF";
  const auto value = static_cast<unsigned char>(byte);
  out += '%';
  out += kHex[value >> 4];
  out += kHex[value & 0xF];
}

}  // namespace ringserve::http
