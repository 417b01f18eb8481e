// A Range field against a file's size: RFC 9110 section 14. Pure text.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "server/http/limits.h"

namespace ringserve::http {

struct ByteRange {
  uint64_t offset = 0;  // bytes
  uint64_t length = 0;  // bytes, at least 1

  uint64_t end() const { return offset + length; }  // behind the last byte
  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

struct RangeResult {
  enum Kind { whole, part, parts, unsatisfiable } kind = whole;
  ByteRange range;  // of `part`
  // Of `parts`: two or more, in the order asked for, more than kRangeGapBytesMax apart.
  std::vector<ByteRange> ranges;
};

// Another unit, a malformed value or too many ranges: the whole file, as section 14.2 allows.
// Ranges behind the end are left out where others remain. One range costs no allocation, and a list
// is read no further than its limit.
RangeResult parse_range(std::string_view value, uint64_t size_bytes);

}  // namespace ringserve::http
