// Reproducible bytes. Any window of a body can be computed without the rest of it, so that a
// range in the middle of five gigabytes is checked as easily as a file of four bytes.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace support {

inline constexpr std::size_t kMiB = 1024 * 1024;

// The bytes [offset, offset + size) of the endless stream that belongs to `seed`.
std::string content(std::uint64_t seed, std::uint64_t offset, std::size_t size);

// A name decides the seed of its content: two files never hold the same bytes.
std::uint64_t seed_of(std::string_view name);

// Equal, or the first difference: a failure must not print 64 MiB.
::testing::AssertionResult same_bytes(std::string_view actual, std::string_view expected);

}  // namespace support
