// Numbers by from_chars: no locale, no sign tricks, nothing left over.
#include "client/tune/conf/values.h"

#include <charconv>

#include "common/net/sysctl.h"

namespace ringtune {
namespace {

constexpr std::string_view kWhite = " \t\n\r";
constexpr std::string_view kPortList = "ip_local_reserved_ports";

}  // namespace

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  for (;;) {
    const size_t begin = text.find_first_not_of(kWhite);
    if (begin == std::string_view::npos) return words;
    text.remove_prefix(begin);
    const size_t end = std::min(text.find_first_of(kWhite), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

std::string tidy_value(std::string_view text) {
  std::string tidy;
  for (const std::string_view word : words_of(text)) {
    if (!tidy.empty()) tidy += ' ';
    tidy += word;
  }
  return tidy;
}

std::optional<int64_t> whole_number(std::string_view word) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return value;
}

std::optional<int64_t> first_number(std::string_view text) {
  const auto words = words_of(text);
  return words.empty() ? std::nullopt : whole_number(words.front());
}

std::optional<int64_t> last_number(std::string_view text) {
  const auto words = words_of(text);
  return words.empty() ? std::nullopt : whole_number(words.back());
}

std::optional<std::pair<int64_t, int64_t>> two_numbers(std::string_view text) {
  const auto words = words_of(text);
  if (words.size() != 2) return std::nullopt;
  const auto first = whole_number(words[0]);
  const auto second = whole_number(words[1]);
  if (!first || !second || *first > *second) return std::nullopt;
  return std::pair(*first, *second);
}

bool same_value(std::string_view name, std::string_view one, std::string_view other) {
  if (name.size() >= kPortList.size() && name.substr(name.size() - kPortList.size()) == kPortList) {
    const auto ports = net::parse_ports(tidy_value(one));
    const auto others = net::parse_ports(tidy_value(other));
    if (ports && others) return *ports == *others;
  }
  return words_of(one) == words_of(other);
}

}  // namespace ringtune
