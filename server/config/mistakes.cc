// Compilers' manner of pointing, which editors can read: file, line, column, the line, a caret.
// What is shown goes to a terminal, and a message may quote the file or a library that quotes it,
// so control characters are not passed on.
#include "server/config/mistakes.h"

#include <fmt/format.h>

#include <algorithm>

#include "server/config/words.h"

namespace ringserve::config {
namespace {

constexpr size_t kShownBytesMax = 200;  // of a source line

std::string_view line_of(std::string_view text, size_t number) {
  for (size_t line = 1; line < number; ++line) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  return text.substr(0, text.find('\n'));
}

bool is_continuation_byte(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// The line, and below it blanks up to the column: tabs stay tabs, so that both are indented alike.
std::string pointed_at(std::string_view line, size_t column) {
  std::string shown, blanks;
  size_t characters = 0;
  for (const char c : line.substr(0, kShownBytesMax)) {
    if (c != '\r') shown += c == '\t' ? c : printable(c);
    if (is_continuation_byte(c)) continue;
    if (++characters < column) blanks += c == '\t' ? '\t' : ' ';
  }
  return fmt::format("  {}\n  {}^\n", shown, blanks);
}

Mistakes in_order_of_place(Mistakes mistakes) {
  std::ranges::stable_sort(mistakes, {}, &Mistake::place);
  return mistakes;
}

}  // namespace

size_t count_errors(const Mistakes& mistakes) {
  return static_cast<size_t>(std::count_if(mistakes.begin(), mistakes.end(),
                                           [](const Mistake& each) { return !each.is_warning; }));
}

std::string in_one_line(const Mistakes& mistakes, std::string_view file) {
  const Mistakes sorted = in_order_of_place(mistakes);
  const Place place = sorted.front().place;
  const std::string message = printable(sorted.front().message);
  std::string line =
      place.line == 0
          ? message
          : fmt::format("{}:{}:{}: {}", printable(file), place.line, place.column, message);
  if (sorted.size() > 1) line += fmt::format(" (and {} more)", sorted.size() - 1);
  return line;
}

std::string explain(const Mistakes& mistakes, std::string_view file, std::string_view text) {
  std::string explained;
  for (const Mistake& mistake : in_order_of_place(mistakes)) {
    const Place place = mistake.place;
    const char* kind = mistake.is_warning ? "warning" : "error";
    const std::string message = printable(mistake.message);
    if (place.line == 0) {
      explained += fmt::format("ringserve: {}: {}\n", kind, message);
      continue;
    }
    explained += fmt::format("{}:{}:{}: {}: {}\n", printable(file), place.line, place.column, kind,
                             message);
    explained += pointed_at(line_of(text, place.line), place.column);
  }
  return explained;
}

}  // namespace ringserve::config
