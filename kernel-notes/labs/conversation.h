// What a lab prints: paragraphs, and scenes, in which several sides act beside each other, a column
// each, a row for each action in the order in which they happened; at the end what was expected,
// and whether it came so. Wraps at the width of the terminal, 100 columns at most, and is coloured
// only on a terminal. Only one thread may use it.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "common/net/verbs.h"

namespace notes::labs {

struct Column {
  std::string name;
  size_t share = 2;  // of the width, beside the shares of the others
};

enum class Tone { plain, error, aside };

class Conversation {
 public:
  explicit Conversation(std::FILE* out);

  void title(std::string_view text);
  void tell(std::string_view paragraph);
  // Begins anew at 0 ms.
  void scene(std::string_view heading, std::vector<Column> columns);
  void row(size_t column, std::string text, Tone tone = Tone::plain);
  // A text for each column.
  void row(const std::vector<std::string>& cells, Tone tone = Tone::plain);
  double milliseconds() const { return clock_.milliseconds(); }

  template <typename... Values>
  void expect(bool holds, fmt::format_string<Values...> format, Values&&... values) {
    verdicts_.push_back({holds, fmt::format(format, std::forward<Values>(values)...)});
  }
  // Prints what was expected; whether all of it came so.
  bool judge();

 private:
  struct Verdict {
    bool holds;
    std::string text;
  };

  void put(std::string_view text);
  std::string painted(const char* colour, std::string_view text) const;
  size_t width_of(size_t column) const;
  void rule();

  std::FILE* out_;
  size_t width_;
  bool is_coloured_;
  net::verbs::Stopwatch clock_;
  std::vector<Column> columns_;
  std::vector<Verdict> verdicts_;
};

// Shown as a space, at which no line ends.
constexpr char kNoBreak = '\x1f';

// Broken at spaces, or within words that are longer than a line. The second line and those after it
// are indented.
std::vector<std::string> wrap(std::string_view text, size_t width, size_t indent = 0);
// "10,000,000"
std::string grouped(uint64_t number);

}  // namespace notes::labs
