// Numbers and paragraphs as people read them: three significant digits, a unit, 80 columns. Pure;
// must never decide what is worth saying.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringload {

inline constexpr std::size_t kReportColumns = 80;

std::string grouped(std::uint64_t count);  // "1,234,567"
std::string si_text(double value);         // "870", "12.3 k", "1.23 M"
std::string bytes_text(double bytes);      // "870 B", "12.3 kB", "1.23 GB": powers of 1000
std::string latency_text(double ns);       // "870 ns", "12.3 us", "1.23 ms", "12.3 s"
std::string seconds_text(double seconds);  // "0.25 s", "10 s", "12.3 s", "2 min 5 s", "1 h 2 min"
// When, from the start of the measured part: "after 2.50 s", "0.50 s before the warm-up ended".
std::string moment_text(double at_s);
std::string percent_text(double share);  // 0.123 is "12.3 %"; a small share is never "0 %"
// "1 port", "28,232 ports"; "1 address", "2 addresses" with the plural given.
std::string counted(std::uint64_t count, std::string_view noun, std::string_view plural = {});

// Columns a terminal needs for UTF-8 text without wide characters.
std::size_t columns_of(std::string_view text);
// Without what a terminal would obey: control characters become '?'.
std::string printable(std::string_view text);
// `text` cut in the middle, with "..." there, so that it fits into `columns` (at least 10).
std::string shortened(std::string_view text, std::size_t columns);
// The lines of a paragraph, broken at spaces; a word longer than a line is cut.
std::vector<std::string> wrapped(std::string_view text, std::size_t columns = kReportColumns);

}  // namespace ringload
