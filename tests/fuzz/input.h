// What the fuzz targets share: an input taken apart into lines that a person can write by hand, and
// the ways to cut a stream into pieces. A target depends on its input alone, so that what was found
// can be found again: nothing here knows the time or a random device.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <random>
#include <string_view>

namespace fuzz {

// Text in memory of exactly its size, not even with a NUL behind it: AddressSanitizer sees one byte
// read too many.
class Exact {
 public:
  explicit Exact(std::string_view text) : size_(text.size()), bytes_(new char[text.size()]) {
    if (!text.empty()) std::memcpy(bytes_.get(), text.data(), text.size());
  }
  std::string_view view() const { return {bytes_.get(), size_}; }

 private:
  size_t size_;
  std::unique_ptr<char[]> bytes_;
};

class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  // Up to the next newline, which is taken too, or to the end. Empty where nothing is left.
  std::string_view line() {
    const size_t end = rest_.find('\n');
    const std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    return text;
  }

  // A line that says a number; 0 where it says none.
  template <typename Number>
  Number number() {
    const std::string_view text = line();
    Number value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  }

  std::string_view rest() const { return rest_; }
  bool empty() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

// How a stream of bytes arrives.
class Cutter {
 public:
  enum class Kind { whole, bytes, random };
  static constexpr std::initializer_list<Kind> kKinds = {Kind::whole, Kind::bytes, Kind::random};

  // The random cuts follow from the stream itself.
  Cutter(Kind kind, std::string_view stream) : kind_(kind) {
    uint32_t seed = 1;
    for (const char c : stream) seed = seed * 31 + static_cast<unsigned char>(c);
    random_.seed(seed);
  }

  // The length of the next piece, 1 to `left`, which is at least 1.
  size_t next(size_t left) {
    if (kind_ == Kind::whole) return left;
    if (kind_ == Kind::bytes) return 1;
    constexpr size_t kPieceBytesMax = 40;
    return std::min<size_t>(left, 1 + random_() % kPieceBytesMax);
  }
  Kind kind() const { return kind_; }

 private:
  Kind kind_;
  std::minstd_rand random_;
};

}  // namespace fuzz
