// A Range field against a size: parts lie within the file, do not overlap, and are those that a
// slow reading of RFC 9110 section 14.1.2 finds. Input: the size, the value.
#include "server/http/range.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include "common/check.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/text.h"

namespace {

using ringserve::http::ByteRange;
using ringserve::http::kRangeGapBytesMax;
using ringserve::http::kRangesMax;
using ringserve::http::parse_range;
using ringserve::http::RangeResult;

// What a number too large becomes: it lies beyond every file.
uint64_t number_of(std::string_view digits) {
  constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
  uint64_t value = 0;
  for (const char c : digits) {
    const auto digit = static_cast<uint64_t>(c - '0');
    value = value > (kMax - digit) / 10 ? kMax : value * 10 + digit;
  }
  return value;
}

struct Expected {
  bool well_formed = false;
  size_t specs = 0;
  std::vector<ByteRange> parts;  // those that can be satisfied, as asked for
};

// range-spec = int-range / suffix-range; false where it is neither.
bool read_spec(std::string_view spec, uint64_t size, std::vector<ByteRange>& parts) {
  const size_t dash = spec.find('-');
  if (dash == std::string_view::npos) return false;
  const std::string_view first_text = spec.substr(0, dash);
  const std::string_view last_text = spec.substr(dash + 1);
  if (first_text.empty()) {
    if (!fuzz::is_digits(last_text)) return false;
    // Satisfiable even for an empty file (RFC 9110 section 14.1.2), whose last bytes are none.
    const uint64_t length = number_of(last_text);
    if (length > 0) parts.push_back({size - std::min(length, size), std::min(length, size)});
    return true;
  }
  if (!fuzz::is_digits(first_text) || (!last_text.empty() && !fuzz::is_digits(last_text))) {
    return false;
  }
  const uint64_t first = number_of(first_text);
  uint64_t last = std::numeric_limits<uint64_t>::max();
  if (!last_text.empty()) last = number_of(last_text);
  if (last < first) return false;
  if (first < size) parts.push_back({first, std::min(last, size - 1) - first + 1});
  return true;
}

Expected read_slowly(std::string_view value, uint64_t size) {
  Expected expected;
  value = fuzz::trim(value);
  const size_t equals = value.find('=');
  if (fuzz::lower_case(value.substr(0, equals)) != "bytes" || equals == std::string_view::npos) {
    return expected;
  }
  for (const std::string_view element : fuzz::split(value.substr(equals + 1), ',')) {
    const std::string_view spec = fuzz::trim(element);
    if (spec.empty()) continue;  // section 5.6.1.2
    if (!read_spec(spec, size, expected.parts)) return {};
    ++expected.specs;
  }
  expected.well_formed = expected.specs > 0;
  return expected;
}

// Joined where they overlap or nearly touch, in the order of the file.
std::vector<ByteRange> joined(std::vector<ByteRange> parts) {
  const auto by_offset = [](const ByteRange& a, const ByteRange& b) { return a.offset < b.offset; };
  std::sort(parts.begin(), parts.end(), by_offset);
  std::vector<ByteRange> result;
  for (const ByteRange& part : parts) {
    const uint64_t end = result.empty() ? 0 : result.back().offset + result.back().length;
    if (!result.empty() && (part.offset <= end || part.offset - end <= kRangeGapBytesMax)) {
      result.back().length = std::max(end, part.offset + part.length) - result.back().offset;
    } else {
      result.push_back(part);
    }
  }
  return result;
}

bool is_equal(const std::vector<ByteRange>& a, const std::vector<ByteRange>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.offset == y.offset && x.length == y.length;
  });
}

// Whatever was asked for: nothing outside of the file, nothing twice.
void check_parts(std::vector<ByteRange> parts, uint64_t size) {
  CHECK(parts.size() <= kRangesMax);
  for (const ByteRange& part : parts) {
    CHECK(part.length > 0 && part.offset < size && part.length <= size - part.offset);
  }
  CHECK(joined(parts).size() == parts.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const auto file_bytes = input.number<uint64_t>();
  const fuzz::Exact value(input.rest());

  const RangeResult result = parse_range(value.view(), file_bytes);
  std::vector<ByteRange> parts = result.ranges;
  if (result.kind == RangeResult::part) parts = {result.range};
  CHECK((result.kind == RangeResult::parts) == (parts.size() > 1));
  CHECK((result.kind == RangeResult::part) == (parts.size() == 1));
  check_parts(parts, file_bytes);

  const Expected expected = read_slowly(value.view(), file_bytes);
  if (!expected.well_formed || expected.specs > kRangesMax) {
    CHECK(result.kind == RangeResult::whole);
  } else if (expected.parts.empty()) {
    CHECK(result.kind == RangeResult::unsatisfiable);
  } else if (file_bytes == 0) {
    CHECK(result.kind == RangeResult::whole);  // no 206 can say a part without a byte
  } else {
    std::sort(parts.begin(), parts.end(),
              [](const ByteRange& a, const ByteRange& b) { return a.offset < b.offset; });
    CHECK(is_equal(parts, joined(expected.parts)));
  }
  return 0;
}
