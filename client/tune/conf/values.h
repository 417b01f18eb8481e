// The texts that files of /proc/sys hold: numbers and words between white space. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringtune {

std::vector<std::string_view> words_of(std::string_view text);

// With single spaces, as a line of a configuration file has it: "4096 131072 33554432".
std::string tidy_value(std::string_view text);

std::optional<int64_t> whole_number(std::string_view word);
std::optional<int64_t> first_number(std::string_view text);
std::optional<int64_t> last_number(std::string_view text);
// Of a text of two numbers, the first not above the second.
std::optional<std::pair<int64_t, int64_t>> two_numbers(std::string_view text);

// Whether the kernel would hold the same: white space does not count, and of a list of ports only
// which ports are in it.
bool same_value(std::string_view name, std::string_view one, std::string_view other);

}  // namespace ringtune
