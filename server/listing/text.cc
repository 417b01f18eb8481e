// Relies on nlohmann-json for what is UTF-8 and on http/target for percent-encoding: neither is
// written a second time here.
#include "server/listing/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <nlohmann/json.hpp>

#include "common/text/html.h"
#include "server/http/target.h"

namespace ringserve::listing {
namespace {

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

// U+2400 to U+241F for the first 32, U+2421 for DEL.
std::string picture_of_control(char c) {
  const int low = c == 0x7F ? 0x21 : c;
  return {'\xE2', '\x90', static_cast<char>(0x80 + low)};
}

}  // namespace

bool Output::flush() {
  const bool wanted = sink_(piece_);
  handed_on_bytes_ += piece_.size();
  piece_.clear();
  return wanted;
}

std::string as_utf8(std::string_view bytes) {
  const bool ascii =
      std::all_of(bytes.begin(), bytes.end(), [](char c) { return (c & 0x80) == 0; });
  if (ascii) return std::string(bytes);
  const std::string quoted =
      nlohmann::json(bytes).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return nlohmann::json::parse(quoted).get<std::string>();
}

std::string as_html(std::string_view bytes) {
  std::string shown;
  for (const char c : as_utf8(bytes)) {
    if (is_control(c)) {
      shown += picture_of_control(c);
    } else {
      shown += c;
    }
  }
  return text::html_escaped(shown);
}

std::string reference_to(const Entry& entry) {
  std::string reference = "." + http::encode_path(entry.name);
  if (entry.directory) reference += '/';
  return reference;
}

std::string as_utc(int64_t time_s) {
  const std::time_t time = time_s;
  std::tm parts{};
  if (::gmtime_r(&time, &parts) == nullptr) return {};
  const int year = parts.tm_year + 1900;
  if (year < 1000 || year > 9999) return {};
  return fmt::format("{}-{:02}-{:02}T{:02}:{:02}:{:02}Z", year, parts.tm_mon + 1, parts.tm_mday,
                     parts.tm_hour, parts.tm_min, parts.tm_sec);
}

std::string as_size(uint64_t bytes) {
  constexpr uint64_t kStep = 1024;
  constexpr std::array kUnits{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < kStep) return fmt::format("{} B", bytes);
  double size = static_cast<double>(bytes) / kStep;
  size_t unit = 0;
  // Before the rounding makes it 1024.
  while (size >= kStep - 0.5 && unit + 1 < kUnits.size()) {
    size /= kStep;
    ++unit;
  }
  return size < 9.95 ? fmt::format("{:.1f} {}", size, kUnits[unit])
                     : fmt::format("{:.0f} {}", size, kUnits[unit]);
}

}  // namespace ringserve::listing
