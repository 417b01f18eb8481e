// A Range field against a file's size: RFC 9110 section 14.
#pragma once

#include <cstdint>
#include <string_view>

namespace ringserve::http {

struct RangeResult {
  enum Kind { whole, part, unsatisfiable } kind = whole;
  uint64_t offset = 0;  // bytes; for `part` only
  uint64_t length = 0;  // bytes, at least 1; for `part` only
};

// Several ranges, another unit or a malformed value: the whole file, as section 14.2 allows.
RangeResult parse_range(std::string_view value, uint64_t size_bytes);

}  // namespace ringserve::http
