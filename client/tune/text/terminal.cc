// Wrapping is ringload's; this puts the pieces beside each other.
#include "client/tune/text/terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "client/load/report/format.h"
#include "client/tune/conf/values.h"

namespace ringtune {
namespace {

size_t columns_of_output() {
  if (const char* said = std::getenv("COLUMNS"); said != nullptr) {
    if (const auto number = whole_number(said); number && *number > 0) {
      return static_cast<size_t>(*number);
    }
  }
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return kColumnsDefault;
}

std::vector<std::string> lines_of(std::string_view text, size_t columns) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    for (std::string& line : ringload::wrapped(text.substr(0, end), columns)) {
      lines.push_back(std::move(line));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string in_colour(const char* code, std::string_view text, const Terminal& terminal) {
  if (!terminal.colour) return std::string(text);
  return fmt::format("\033[{}m{}\033[0m", code, text);
}

}  // namespace

Terminal standard_output() {
  const char* no_colour = std::getenv("NO_COLOR");
  const bool is_plain = no_colour != nullptr && *no_colour != '\0';
  return {std::clamp(columns_of_output(), kColumnsMin, kColumnsMax),
          ::isatty(STDOUT_FILENO) == 1 && !is_plain};
}

std::string hanging(std::string_view label, std::string_view text, size_t columns) {
  const size_t indent = label.size();
  std::string block(label);
  const auto lines = lines_of(text, std::max(columns, indent + 20) - indent);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) block += std::string(indent, ' ');
    block += lines[i] + '\n';
  }
  if (lines.empty()) block += '\n';
  return block;
}

std::string beside(const std::vector<Cell>& cells) {
  std::vector<std::vector<std::string>> columns;
  size_t height = 0;
  for (const Cell& cell : cells) {
    columns.push_back(lines_of(cell.text, cell.columns));
    height = std::max(height, columns.back().size());
  }
  std::string block;
  for (size_t row = 0; row < height; ++row) {
    std::string line;
    size_t begin = 0;
    for (size_t i = 0; i < cells.size(); ++i) {
      if (row < columns[i].size() && !columns[i][row].empty()) {
        line.resize(begin, ' ');
        line += columns[i][row];
      }
      begin += cells[i].columns + 2;
    }
    block += line + '\n';
  }
  return block;
}

std::string bold(std::string_view text, const Terminal& terminal) {
  return in_colour("1", text, terminal);
}
std::string red(std::string_view text, const Terminal& terminal) {
  return in_colour("1;31", text, terminal);
}
std::string yellow(std::string_view text, const Terminal& terminal) {
  return in_colour("33", text, terminal);
}

}  // namespace ringtune
