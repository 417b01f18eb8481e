// Most text needs no escaping: it is looked at and copied many bytes at a time. Both formats
// agree on which bytes are plain, the printable ones of ASCII but for '"' and '\'.
#include "server/log/escape.h"

#include <cstdint>
#include <cstring>

namespace ringserve::log {
namespace {

constexpr char kHexDigits[] = "0123456789ABCDEF";

bool is_plain(char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; }

using Bytes16 = int8_t __attribute__((vector_size(16)));
using Halves = int64_t __attribute__((vector_size(16)));

// Sixteen bytes, whatever they are; false if one of them is not plain. Bytes from 0x80 on are
// negative here.
bool copy_16(const char* from, char* to) {
  Bytes16 bytes;
  std::memcpy(&bytes, from, sizeof bytes);
  std::memcpy(to, &bytes, sizeof bytes);
  const Bytes16 special = (bytes < 0x20) | (bytes == 0x7f) | (bytes == '"') | (bytes == '\\');
  const Halves halves = reinterpret_cast<Halves>(special);
  return (halves[0] | halves[1]) == 0;
}

// The same with as many as a Word has. A borrow or a carry can only come from a byte that is not
// plain either.
template <typename Word>
bool copy_word(const char* from, char* to) {
  constexpr Word kOnes = static_cast<Word>(0x0101010101010101);
  constexpr Word kHighBits = 0x80 * kOnes;
  Word bytes = 0;
  std::memcpy(&bytes, from, sizeof bytes);
  std::memcpy(to, &bytes, sizeof bytes);
  const Word quote = bytes ^ ('"' * kOnes);
  const Word backslash = bytes ^ ('\\' * kOnes);
  const Word special =
      bytes | (bytes + kOnes) | (bytes - 0x20 * kOnes) | (quote - kOnes) | (backslash - kOnes);
  return (special & kHighBits) == 0;
}

// All of a text between one and two words long, in two pieces that may overlap.
template <typename Word>
bool copy_two(const char* from, size_t size, char* to) {
  const size_t second = size - sizeof(Word);
  return copy_word<Word>(from, to) & copy_word<Word>(from + second, to + second);
}

// Copies a text, and says whether all of it is plain: as nearly every text is, this is what most
// lines are made of.
bool copy_whole(std::string_view text, char* to) {
  const char* from = text.data();
  const size_t size = text.size();
  if (size >= 16) {
    bool plain = copy_16(from + size - 16, to + size - 16);
    for (size_t at = 0; at + 16 < size; at += 16) plain &= copy_16(from + at, to + at);
    return plain;
  }
  if (size >= 8) return copy_two<uint64_t>(from, size, to);
  if (size >= 4) return copy_two<uint32_t>(from, size, to);
  bool plain = true;
  for (size_t at = 0; at < size; ++at) plain &= is_plain(to[at] = from[at]);
  return plain;
}

// Copies the plain bytes that `text` begins with, takes them off it, and returns the end of the
// copy. Behind that it may leave other bytes, never beyond the length of the text.
char* copy_plain(std::string_view& text, char* out) {
  size_t at = 0;
  while (at + 16 <= text.size() && copy_16(text.data() + at, out + at)) at += 16;
  for (; at < text.size() && is_plain(text[at]); ++at) out[at] = text[at];
  text.remove_prefix(at);
  return out + at;
}

char* append(char* out, std::string_view text) {
  std::memcpy(out, text.data(), text.size());
  return out + text.size();
}

char* append_hex(char* out, uint32_t value, int digits) {
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) {
    *out++ = kHexDigits[(value >> shift) & 0xf];
  }
  return out;
}

struct Character {
  uint32_t code_point = 0;
  size_t bytes = 0;  // 0: the text does not begin with valid UTF-8
};

// The first character of text whose first byte is 0x80 or more: RFC 3629 section 4.
Character decode_utf8(std::string_view text) {
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const auto byte_at = [text](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte_at(0);
  const size_t bytes = lead >= 0xf8   ? 0
                       : lead >= 0xf0 ? 4
                       : lead >= 0xe0 ? 3
                       : lead >= 0xc0 ? 2
                                      : 0;
  if (bytes == 0 || text.size() < bytes) return {};
  uint32_t code_point = lead & (0x7fU >> bytes);
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte_at(i) & 0xc0) != 0x80) return {};
    code_point = code_point << 6 | (byte_at(i) & 0x3f);
  }
  const bool surrogate = code_point >= 0xd800 && code_point <= 0xdfff;
  if (code_point < kSmallest[bytes] || code_point > 0x10ffff || surrogate) return {};
  return {code_point, bytes};
}

// C1 controls, among them a next-line and a terminal's escape; the line and paragraph separators;
// and what changes the direction of the text after it.
bool misleads(uint32_t code_point) {
  return code_point <= 0x9f || (code_point >= 0x2028 && code_point <= 0x202e) ||
         (code_point >= 0x2066 && code_point <= 0x2069);
}

char* append_json_beyond_ascii(std::string_view& text, char* out) {
  const Character character = decode_utf8(text);
  if (character.bytes == 0) {
    out = append_hex(append(out, "\\\\x"), static_cast<uint8_t>(text[0]), 2);
    text.remove_prefix(1);
    return out;
  }
  out = misleads(character.code_point) ? append_hex(append(out, "\\u"), character.code_point, 4)
                                       : append(out, text.substr(0, character.bytes));
  text.remove_prefix(character.bytes);
  return out;
}

// Takes one character off the text, which is not plain.
char* append_json_special(std::string_view& text, char* out) {
  const auto first = static_cast<uint8_t>(text[0]);
  if (first >= 0x80) return append_json_beyond_ascii(text, out);
  text.remove_prefix(1);
  if (first == '"') return append(out, "\\\"");
  if (first == '\\') return append(out, text.starts_with('x') ? "\\\\x5C" : "\\\\");
  return append_hex(append(out, "\\u"), first, 4);
}

}  // namespace

char* append_quoted(std::string_view text, char* out) {
  if (copy_whole(text, out)) return out + text.size();
  out = copy_plain(text, out);
  while (!text.empty()) {
    out = append_hex(append(out, "\\x"), static_cast<uint8_t>(text[0]), 2);
    text.remove_prefix(1);
    out = copy_plain(text, out);
  }
  return out;
}

char* append_json(std::string_view text, char* out) {
  if (copy_whole(text, out)) return out + text.size();
  out = copy_plain(text, out);
  while (!text.empty()) {
    out = append_json_special(text, out);
    out = copy_plain(text, out);
  }
  return out;
}

std::string quoted(std::string_view text) {
  std::string out(text.size() * kEscapedBytesMax, '\0');
  out.resize(static_cast<size_t>(append_quoted(text, out.data()) - out.data()));
  return out;
}

}  // namespace ringserve::log
