// How enumerations and the keys of maps are written in JSON.
#pragma once

#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "client/load/outcome.h"

namespace ringload::json {

inline constexpr std::array<std::pair<CloseBy, const char*>, 3> kCloseByNames{
    {{CloseBy::client, "client"}, {CloseBy::server, "server"}, {CloseBy::reset, "reset"}}};
inline constexpr std::array<std::pair<BodyMode, const char*>, 3> kBodyModeNames{
    {{BodyMode::discard, "discard"}, {BodyMode::copy, "copy"}, {BodyMode::verify, "verify"}}};

inline const auto& names_of(CloseBy) { return kCloseByNames; }
inline const auto& names_of(BodyMode) { return kBodyModeNames; }

template <class Enum>
const char* name_of(Enum value) {
  for (const auto& [known, name] : names_of(value)) {
    if (known == value) return name;
  }
  return "";
}

inline std::string key_text(const std::string& key) { return key; }
inline std::string key_text(unsigned key) { return std::to_string(key); }

// False when the text is no such key.
inline bool parse_key(const std::string& text, std::string& key) {
  key = text;
  return true;
}
inline bool parse_key(const std::string& text, unsigned& key) {
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, key);
  return error == std::errc() && end == last;
}

}  // namespace ringload::json
