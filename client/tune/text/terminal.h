// How wide the output may be, and text in columns for it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ringtune {

constexpr size_t kColumnsDefault = 80;
constexpr size_t kColumnsMin = 60;
constexpr size_t kColumnsMax = 160;  // longer lines are hard to read

struct Terminal {
  size_t columns = kColumnsDefault;
  bool colour = false;  // a terminal, and no NO_COLOR (no-color.org)
};

// Of the standard output: COLUMNS, else what the terminal says, else 80.
Terminal standard_output();

// `text` in lines below each other: the first behind `label`, the others where it began.
std::string hanging(std::string_view label, std::string_view text, size_t columns);

struct Cell {
  std::string text;  // paragraphs end with a newline
  size_t columns = 0;
};
// The cells beside each other, each wrapped to its width, with two spaces between.
std::string beside(const std::vector<Cell>& cells);

std::string bold(std::string_view text, const Terminal& terminal);
std::string red(std::string_view text, const Terminal& terminal);
std::string yellow(std::string_view text, const Terminal& terminal);

}  // namespace ringtune
