// byte-ranges, RFC 9110 section 14.1.2. Numbers too large for 64 bits lie beyond every file.
#include "server/http/range.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "server/http/text.h"

namespace ringserve::http {
namespace {

// False if `text` is not a number. An overflow counts as the largest number there is.
bool parse_number(std::string_view text, uint64_t& value) {
  if (text.empty()) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range) value = std::numeric_limits<uint64_t>::max();
  return error != std::errc::invalid_argument && end == text.data() + text.size();
}

enum class Spec { malformed, satisfiable, unsatisfiable };

// "0-499", "500-" or "-500".
Spec parse_spec(std::string_view text, uint64_t size_bytes, ByteRange& range) {
  const size_t dash = text.find('-');
  if (dash == std::string_view::npos) return Spec::malformed;
  const std::string_view first_text = text.substr(0, dash);
  const std::string_view last_text = text.substr(dash + 1);
  uint64_t first = 0;
  uint64_t last = std::numeric_limits<uint64_t>::max();
  if (first_text.empty()) {
    uint64_t suffix = 0;
    if (!parse_number(last_text, suffix)) return Spec::malformed;
    if (suffix == 0) return Spec::unsatisfiable;
    suffix = std::min(suffix, size_bytes);
    range = {size_bytes - suffix, suffix};
    return Spec::satisfiable;
  }
  if (!parse_number(first_text, first)) return Spec::malformed;
  if (!last_text.empty() && !parse_number(last_text, last)) return Spec::malformed;
  if (last < first) return Spec::malformed;
  if (first >= size_bytes) return Spec::unsatisfiable;
  last = std::min(last, size_bytes - 1);
  range = {first, last - first + 1};
  return Spec::satisfiable;
}

// The ranges so far, none of them overlapping or nearly touching another.
class Ranges {
 public:
  // Takes in `range` and those that it joins, at the place of the first of them.
  void add(ByteRange range) {
    size_t place = count_;
    for (size_t i; (i = find_near(range)) < count_;) {  // it grows, and may then be near to more
      const uint64_t end = std::max(ranges_[i].end(), range.end());
      range.offset = std::min(ranges_[i].offset, range.offset);
      range.length = end - range.offset;
      ranges_[i].length = 0;
      place = std::min(place, i);
    }
    if (place == count_) ++count_;
    ranges_[place] = range;
    const auto end = std::remove_if(ranges_.begin(), ranges_.begin() + count_,
                                    [](const ByteRange& joined) { return joined.length == 0; });
    count_ = static_cast<size_t>(end - ranges_.begin());
  }

  RangeResult result() const {
    if (count_ == 0) return {RangeResult::unsatisfiable, {}, {}};
    if (count_ == 1) return {RangeResult::part, ranges_[0], {}};
    return {RangeResult::parts, {}, {ranges_.begin(), ranges_.begin() + count_}};
  }

 private:
  size_t find_near(const ByteRange& range) const {
    size_t i = 0;
    while (i < count_ && (ranges_[i].length == 0 || !are_near(ranges_[i], range))) ++i;
    return i;
  }

  static bool are_near(const ByteRange& a, const ByteRange& b) {
    const ByteRange& left = a.offset <= b.offset ? a : b;
    const ByteRange& right = a.offset <= b.offset ? b : a;
    return right.offset <= left.end() || right.offset - left.end() <= kRangeGapBytesMax;
  }

  std::array<ByteRange, kRangesMax> ranges_;
  size_t count_ = 0;
};

RangeResult parse_one(std::string_view text, uint64_t size_bytes) {
  ByteRange range;
  switch (parse_spec(text, size_bytes, range)) {
    case Spec::malformed: break;
    case Spec::unsatisfiable: return {RangeResult::unsatisfiable, {}, {}};
    case Spec::satisfiable:
      // The last bytes of an empty file are none, which no 206 can say: the whole, which is empty.
      if (range.length > 0) return {RangeResult::part, range, {}};
  }
  return {};
}

RangeResult parse_list(std::string_view list, uint64_t size_bytes) {
  Ranges ranges;
  std::string_view text;
  size_t count = 0;
  while (next_element(list, text)) {
    if (++count > kRangesMax) return {};
    const RangeResult one = parse_one(text, size_bytes);
    if (one.kind == RangeResult::whole) return {};
    if (one.kind == RangeResult::part) ranges.add(one.range);
  }
  return count == 0 ? RangeResult{} : ranges.result();
}

}  // namespace

RangeResult parse_range(std::string_view value, uint64_t size_bytes) {
  constexpr std::string_view kUnit = "bytes=";
  value = trim(value);
  if (!starts_with_ignoring_case(value, kUnit)) return {};
  value.remove_prefix(kUnit.size());
  const bool is_list = value.find(',') != std::string_view::npos;
  return is_list ? parse_list(value, size_bytes) : parse_one(trim(value), size_bytes);
}

}  // namespace ringserve::http
