// Rows look like
//   | `auto`, `writev` | small | `sendto` | EINTR × 3, short | whole | `words` |
// and stand for one fault after the other, on one send path after the other.
#include "tests/faults/fault_table.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace faults {
namespace {

constexpr std::size_t kColumns = 6;
constexpr std::string_view kEndOfRows = "## Tests of their own";
constexpr std::string_view kTimes = " × ";

std::string trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" `");
  if (begin == text.npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(" `") + 1 - begin));
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(trimmed(part));
  return parts;
}

int errno_named(const std::string& name) {
  if (name == "short") return kShortCount;
  for (int error = 1; error < static_cast<int>(kErrnoMax); ++error) {
    const char* known = ::strerrorname_np(error);
    if (known != nullptr && name == known) return error;
  }
  throw std::runtime_error("no errno: " + name);
}

Call call_named(const std::string& name) {
  const auto* found = std::find(kCallNames.begin(), kCallNames.end(), name);
  if (found == kCallNames.end()) throw std::runtime_error("no call: " + name);
  return static_cast<Call>(found - kCallNames.begin());
}

// "EIO", "EINTR × 3", "ENOSPC × always".
Fault fault_from(const std::string& text, Call call) {
  const std::size_t times = text.find(kTimes);
  if (times == text.npos) return {call, errno_named(text)};
  const std::string count = text.substr(times + kTimes.size());
  return {call, errno_named(text.substr(0, times)),
          count == "always" ? kAlways : static_cast<std::uint32_t>(std::stoul(count))};
}

void add_rows(const std::string& line, std::vector<Row>& rows) {
  std::vector<std::string> cells = split(line.substr(1), '|');
  if (cells.size() != kColumns) throw std::runtime_error("not six cells");
  for (std::string& path : split(cells[0], ',')) {
    for (const std::string& fault : split(cells[3], ',')) {
      const std::string text = path + ": " + cells[1] + ", " + cells[2] + ": " + fault;
      rows.push_back(
          {text, path, cells[1], fault_from(fault, call_named(cells[2])), cells[4], cells[5]});
    }
  }
}

}  // namespace

FaultDocument read_fault_document() {
  std::ifstream file(RINGSERVE_SOURCE_DIR "/server/FAULTS.md");
  FaultDocument document;
  for (std::string line; std::getline(file, line) && line != kEndOfRows;) {
    if (!line.starts_with("| `")) continue;
    try {
      add_rows(line, document.rows);
    } catch (const std::exception& error) {
      throw std::runtime_error(std::string(error.what()) + " in: " + line);
    }
  }
  document.rest.assign(std::istreambuf_iterator<char>(file), {});
  return document;
}

}  // namespace faults
