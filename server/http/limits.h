// What a request may measure. Beyond: 431, 414 or 413, and the connection is closed.
#pragma once

#include <cstddef>

namespace ringserve::http {

constexpr size_t kHeadBytesMax = 16 * 1024;    // request line and fields
constexpr size_t kTargetBytesMax = 8 * 1024;   // request target
constexpr size_t kBodyBytesMax = 1024 * 1024;  // a request body is read and discarded

}  // namespace ringserve::http
