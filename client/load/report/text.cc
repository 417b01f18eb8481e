// Sections as lines. What came from outside (URLs, host names, error names of merged files) loses
// its control characters first: a report must never command the terminal.
#include "client/load/report/text.h"

#include <fmt/format.h>

#include <algorithm>

#include "client/load/report/format.h"

namespace ringload {
namespace {

constexpr size_t kIndent = 2;
constexpr size_t kFigureColumns = 11;
constexpr size_t kGap = 2;

std::string spaces(size_t count) { return std::string(count, ' '); }

// The first line follows what stands there already; the others begin below its end.
void add_wrapped(std::string& text, std::string_view paragraph, size_t column) {
  const auto lines = wrapped(printable(paragraph), kReportColumns - column);
  for (size_t i = 0; i < lines.size(); ++i) text += (i > 0 ? spaces(column) : "") + lines[i] + "\n";
  if (lines.empty()) text += "\n";
}

void add_row(std::string& text, const ReportRow& row, size_t label_columns) {
  std::string line = fmt::format("{}{:<{}}", spaces(kIndent), printable(row.label), label_columns);
  size_t column = kIndent + label_columns + kGap;
  if (!row.figure.empty()) {
    line += fmt::format("{}{:>{}}", spaces(kGap), row.figure, kFigureColumns);
    column += kFigureColumns + kGap;
  }
  text += line;
  if (row.remark.empty()) {
    text += "\n";
    return;
  }
  text += spaces(kGap);
  add_wrapped(text, row.remark, column);
}

// Wide enough for the longest label, in every section alike.
size_t label_columns_of(const std::vector<Section>& sections) {
  size_t columns = 0;
  for (const Section& section : sections) {
    for (const ReportRow& row : section.rows) columns = std::max(columns, columns_of(row.label));
  }
  return std::min<size_t>(columns, 24);
}

}  // namespace

std::string text_report(const Outcome& outcome) {
  const std::vector<Section> sections = sections_of(outcome);
  const size_t label_columns = label_columns_of(sections);
  std::string text;
  for (const Section& section : sections) {
    if (!text.empty()) text += "\n";
    text += printable(section.title) + "\n";
    for (const ReportRow& row : section.rows) add_row(text, row, label_columns);
    for (const std::string& note : section.notes) {
      text += spaces(kIndent);
      add_wrapped(text, note, kIndent);
    }
  }
  return text;
}

}  // namespace ringload
