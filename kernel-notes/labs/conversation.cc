// Rows and colours. All text is ASCII, so that a byte is a column.
#include "kernel-notes/labs/conversation.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace notes::labs {
namespace {

constexpr size_t kWidthMin = 60;
constexpr size_t kWidthMax = 100;
constexpr size_t kTimeWidth = 8;  // "123456.7"
constexpr size_t kIndent = 2;
constexpr std::string_view kBetween = " | ";

constexpr const char* kBold = "\033[1m";
constexpr const char* kDim = "\033[2m";
constexpr const char* kRed = "\033[31m";
constexpr const char* kGreen = "\033[32m";
constexpr const char* kSides[] = {"\033[36m", "\033[33m", "\033[35m"};

const char* colour_of(Tone tone, size_t column) {
  if (tone == Tone::error) return kRed;
  return tone == Tone::aside ? kDim : kSides[column % std::size(kSides)];
}

size_t terminal_width(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kWidthMax;
  return std::clamp<size_t>(size.ws_col, kWidthMin, kWidthMax);
}

// How much of a word that is longer than a line goes on it: if it is a call, up to its arguments.
size_t cut_of(std::string_view word, size_t room) {
  const size_t last = word.substr(0, room).find_last_of(std::string("(,") + kNoBreak);
  return last == std::string_view::npos ? room : last + 1;
}

}  // namespace

std::vector<std::string> wrap(std::string_view text, size_t width, size_t indent) {
  std::vector<std::string> lines;
  std::string line;
  while (!text.empty()) {
    size_t end = std::min(text.find(' '), text.size());
    const bool is_first = line.find_first_not_of(' ') == std::string::npos;
    const size_t room = width - std::min(width, line.size() + (is_first ? 0 : 1));
    if (end > room && !is_first) {
      lines.push_back(line);
      line.assign(indent, ' ');
      continue;
    }
    if (end > room) end = cut_of(text, room);
    if (!is_first) line += ' ';
    line += text.substr(0, end);
    text.remove_prefix(end);
    if (text.empty()) break;
    if (text.front() == ' ') {
      text.remove_prefix(1);
    } else {
      lines.push_back(line);
      line.assign(indent, ' ');
    }
  }
  lines.push_back(line);
  for (std::string& each : lines) {
    if (each.ends_with(kNoBreak)) each.pop_back();
    std::ranges::replace(each, kNoBreak, ' ');
  }
  return lines;
}

std::string grouped(uint64_t number) {
  std::string digits = std::to_string(number);
  for (size_t end = digits.size(); end > 3; end -= 3) digits.insert(end - 3, ",");
  return digits;
}

Conversation::Conversation(std::FILE* out)
    : out_(out),
      width_(terminal_width(::fileno(out))),
      is_coloured_(::isatty(::fileno(out)) == 1 && std::getenv("NO_COLOR") == nullptr) {}

std::string Conversation::painted(const char* colour, std::string_view text) const {
  if (!is_coloured_ || colour == nullptr || text.empty()) return std::string(text);
  return fmt::format("{}{}\033[0m", colour, text);
}

void Conversation::put(std::string_view text) {
  fmt::print(out_, "{}\n", text);
  std::fflush(out_);  // the pauses are part of what is shown
}

void Conversation::title(std::string_view text) {
  for (const std::string& line : wrap(text, width_)) put(painted(kBold, line));
}

void Conversation::tell(std::string_view paragraph) {
  put("");
  for (const std::string& line : wrap(paragraph, width_)) put(line);
}

size_t Conversation::width_of(size_t column) const {
  size_t shares = 0;
  for (const Column& each : columns_) shares += each.share;
  const size_t room = width_ - kTimeWidth - kBetween.size() * columns_.size();
  return room * columns_[column].share / shares;
}

void Conversation::rule() {
  std::string line(kTimeWidth, '-');
  for (size_t i = 0; i < columns_.size(); ++i) {
    line += "-+-" + std::string(width_of(i), '-');
  }
  put(painted(kDim, line));
}

void Conversation::scene(std::string_view heading, std::vector<Column> columns) {
  columns_ = std::move(columns);
  put("");
  for (const std::string& line : wrap(heading, width_)) put(painted(kBold, line));
  put("");
  std::string names = fmt::format("{:>{}}", "ms", kTimeWidth);
  for (size_t i = 0; i < columns_.size(); ++i) {
    const std::string& name = columns_[i].name;
    names += painted(kDim, kBetween) + painted(colour_of(Tone::plain, i), name);
    if (i + 1 < columns_.size() && name.size() < width_of(i)) {
      names.append(width_of(i) - name.size(), ' ');
    }
  }
  put(names);
  rule();
  clock_ = net::verbs::Stopwatch();
}

void Conversation::row(size_t column, std::string text, Tone tone) {
  std::vector<std::string> cells(columns_.size());
  cells.at(column) = std::move(text);
  row(cells, tone);
}

void Conversation::row(const std::vector<std::string>& cells, Tone tone) {
  std::vector<std::vector<std::string>> parts;
  size_t height = 0;
  for (size_t i = 0; i < columns_.size(); ++i) {
    parts.push_back(wrap(cells[i], width_of(i), kIndent));
    height = std::max(height, parts.back().size());
  }
  std::string time = fmt::format("{:>{}.1f}", clock_.milliseconds(), kTimeWidth);
  for (size_t y = 0; y < height; ++y) {
    std::string line = painted(kDim, time);
    for (size_t i = 0; i < columns_.size(); ++i) {
      const std::string part = y < parts[i].size() ? parts[i][y] : "";
      const bool is_last = i + 1 == columns_.size();
      line += painted(kDim, is_last && part.empty() ? " |" : kBetween);
      line += painted(colour_of(tone, i), part);
      if (!is_last) line.append(width_of(i) - part.size(), ' ');
    }
    put(line);
    time.assign(kTimeWidth, ' ');
  }
}

bool Conversation::judge() {
  bool all_hold = true;
  put("");
  for (const Verdict& verdict : verdicts_) {
    const std::string_view judgement = verdict.holds ? "As expected: " : "NOT as expected: ";
    std::vector<std::string> lines =
        wrap(fmt::format("{}{}", judgement, verdict.text), width_, sizeof "As expected:");
    lines[0].erase(0, judgement.size());
    put(painted(verdict.holds ? kGreen : kRed, judgement) + lines[0]);
    for (size_t i = 1; i < lines.size(); ++i) put(lines[i]);
    all_hold = all_hold && verdict.holds;
  }
  return all_hold;
}

}  // namespace notes::labs
