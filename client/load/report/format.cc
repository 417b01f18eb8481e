// Three significant digits are what a measurement is worth; a value that rounds up to the next
// unit (999.7 us) is written in that unit.
#include "client/load/report/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <utility>

namespace ringload {
namespace {

struct Unit {
  double size;
  const char* name;
};

std::string digits(double value) {
  const double size = std::abs(value);
  if (size < 9.995) return fmt::format("{:.2f}", value);
  if (size < 99.95) return fmt::format("{:.1f}", value);
  return fmt::format("{:.0f}", value);
}

// `units` in ascending order; whole numbers of the first one have no decimals.
std::string with_unit(double value, std::span<const Unit> units) {
  const Unit* unit = &units.front();
  for (const Unit& next : units) {
    if (std::abs(value) >= 0.9995 * next.size) unit = &next;
  }
  const double scaled = value / unit->size;
  const bool whole = unit == &units.front() && scaled == std::floor(scaled);
  return (whole ? fmt::format("{:.0f}", scaled) : digits(scaled)) + unit->name;
}

bool begins_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }

// How many bytes the first `columns` characters take.
size_t bytes_of_columns(std::string_view text, size_t columns) {
  size_t at = 0;
  for (; at < text.size(); ++at) {
    if (begins_character(text[at]) && columns-- == 0) break;
  }
  return at;
}

}  // namespace

std::string grouped(uint64_t count) {
  std::string text = fmt::format("{}", count);
  for (size_t at = text.size(); at > 3;) {
    at -= 3;
    text.insert(at, 1, ',');
  }
  return text;
}

std::string si_text(double value) {
  static constexpr std::array<Unit, 5> kUnits{
      {{1, ""}, {1e3, " k"}, {1e6, " M"}, {1e9, " G"}, {1e12, " T"}}};
  return with_unit(value, kUnits);
}

std::string bytes_text(double bytes) {
  static constexpr std::array<Unit, 5> kUnits{
      {{1, " B"}, {1e3, " kB"}, {1e6, " MB"}, {1e9, " GB"}, {1e12, " TB"}}};
  return with_unit(bytes, kUnits);
}

std::string latency_text(double ns) {
  static constexpr std::array<Unit, 4> kUnits{
      {{1, " ns"}, {1e3, " us"}, {1e6, " ms"}, {1e9, " s"}}};
  return with_unit(ns, kUnits);
}

std::string seconds_text(double seconds) {
  if (!std::isfinite(seconds)) return "for ever";
  if (seconds < 99.95) {
    const bool whole = seconds == std::floor(seconds);
    return (whole ? fmt::format("{:.0f}", seconds) : digits(seconds)) + " s";
  }
  const auto whole = static_cast<uint64_t>(std::llround(seconds));
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

std::string moment_text(double at_s) {
  if (at_s >= 0) return "after " + seconds_text(at_s);
  return seconds_text(-at_s) + " before the warm-up ended";
}

std::string percent_text(double share) {
  const double percent = share * 100;
  if (percent > 0 && percent < 0.00995) return fmt::format("{:.1g} %", percent);
  return digits(percent) + " %";
}

std::string counted(uint64_t count, std::string_view noun, std::string_view plural) {
  if (count == 1) return fmt::format("1 {}", noun);
  return plural.empty() ? fmt::format("{} {}s", grouped(count), noun)
                        : fmt::format("{} {}", grouped(count), plural);
}

size_t columns_of(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), begins_character));
}

std::string printable(std::string_view text) {
  std::string safe(text);
  std::replace_if(
      safe.begin(), safe.end(),
      [](char byte) { return static_cast<unsigned char>(byte) < 0x20 || byte == 0x7F; }, '?');
  return safe;
}

std::string shortened(std::string_view text, size_t columns) {
  const size_t all = columns_of(text);
  if (all <= columns) return std::string(text);
  const size_t tail = columns / 3;
  const std::string_view head = text.substr(0, bytes_of_columns(text, columns - tail - 3));
  return fmt::format("{}...{}", head, text.substr(bytes_of_columns(text, all - tail)));
}

std::vector<std::string> wrapped(std::string_view text, size_t columns) {
  std::vector<std::string> lines;
  std::string line;
  while (!text.empty()) {
    std::string_view word = text.substr(0, text.find(' '));
    const bool is_first = line.empty();
    if (columns_of(line) + columns_of(word) + (is_first ? 0 : 1) > columns && !is_first) {
      lines.push_back(std::exchange(line, {}));
      continue;
    }
    word = word.substr(0, bytes_of_columns(word, columns));
    if (!is_first) line += ' ';
    line += word;
    text.remove_prefix(word.size());
    const size_t next = text.find_first_not_of(' ');
    if (next != 0) text.remove_prefix(std::min(next, text.size()));
    // A word cut because it is longer than a line goes on in the next one.
    if (next == 0) lines.push_back(std::exchange(line, {}));
  }
  if (!line.empty()) lines.push_back(std::move(line));
  return lines;
}

}  // namespace ringload
