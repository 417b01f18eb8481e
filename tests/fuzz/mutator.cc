// The changes are those that find mistakes in readers of text: bytes that matter to a grammar,
// pieces lost or doubled, numbers at the edges of their types, the end of one input behind the
// beginning of another.
#include "tests/fuzz/mutator.h"

#include <array>
#include <sstream>
#include <stdexcept>
#include <string_view>

namespace fuzz {
namespace {

using namespace std::string_view_literals;

constexpr size_t kChangesMax = 5;  // of one input
constexpr size_t kPieceBytesMax = 64;
// With the NUL at its front.
constexpr std::string_view kSpecialBytes = "\0\t\n\r \"#%&'*,-./:;<=>?@[\\]{|}0a\x7f\x80\xff"sv;
constexpr std::array<const char*, 12> kNumbers = {"0",
                                                  "1",
                                                  "-1",
                                                  "127",
                                                  "65535",
                                                  "65536",
                                                  "2147483647",
                                                  "4294967296",
                                                  "9223372036854775807",
                                                  "18446744073709551615",
                                                  "18446744073709551616",
                                                  "99999999999999999999999999"};

}  // namespace

std::string Mutator::next() {
  std::string text = any_seed();
  for (size_t changes = 1 + below(kChangesMax); changes > 0; --changes) change(text);
  if (text.size() > kInputBytesMax) text.resize(kInputBytesMax);
  return text;
}

void Mutator::change(std::string& text) {
  const size_t at = below(text.size() + 1);
  const size_t length = below(kPieceBytesMax) + 1;
  switch (below(8)) {
    case 0:
      if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << below(8)));
      break;
    case 1:
      if (at < text.size()) text[at] = kSpecialBytes[below(kSpecialBytes.size())];
      break;
    case 2: text.insert(at, 1, kSpecialBytes[below(kSpecialBytes.size())]); break;
    case 3: text.erase(at, length); break;
    case 4: text.insert(below(text.size() + 1), text.substr(at, length)); break;
    case 5:
      if (!words_.empty()) text.insert(at, words_[below(words_.size())]);
      break;
    case 6: {
      const std::string& other = any_seed();
      text.replace(at, std::string::npos, other, below(other.size() + 1), std::string::npos);
      break;
    }
    default: change_number(text); break;
  }
}

void Mutator::change_number(std::string& text) {
  constexpr const char* kDigits = "0123456789";
  size_t begin = text.find_first_of(kDigits, below(text.size() + 1));
  if (begin == std::string::npos) begin = text.find_first_of(kDigits);
  if (begin == std::string::npos) return;
  const size_t end = text.find_first_not_of(kDigits, begin);
  text.replace(begin, end == std::string::npos ? end : end - begin,
               kNumbers[below(kNumbers.size())]);
}

std::vector<std::string> parse_dictionary(const std::string& text) {
  std::vector<std::string> words;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line.front() == '#') continue;
    const size_t begin = line.find('"');
    const size_t end = line.rfind('"');
    if (begin == std::string::npos || begin == end) {
      throw std::runtime_error("no word in quotes: " + line);
    }
    std::string word;
    for (size_t i = begin + 1; i < end; ++i) {
      if (line[i] == '\\' && line[i + 1] == 'x') {
        word.push_back(static_cast<char>(std::stoi(line.substr(i + 2, 2), nullptr, 16)));
        i += 3;
      } else {
        word.push_back(line[i] == '\\' ? line[++i] : line[i]);
      }
    }
    words.push_back(std::move(word));
  }
  return words;
}

}  // namespace fuzz
