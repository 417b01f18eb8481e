// Reproducible bytes: splitmix64 over the index of each eight-byte word. It relies on nothing
// but arithmetic, and must never depend on what was computed before.
#include "tests/support/content.h"

#include <algorithm>
#include <cstring>

namespace support {
namespace {

std::uint64_t word(std::uint64_t seed, std::uint64_t index) {
  std::uint64_t z = seed + (index + 1) * 0x9e3779b97f4a7c15ULL;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

}  // namespace

std::string content(std::uint64_t seed, std::uint64_t offset, std::size_t size) {
  std::string bytes(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    const std::uint64_t at = offset + done;
    const std::size_t skip = at % sizeof(std::uint64_t);
    const std::size_t take = std::min(sizeof(std::uint64_t) - skip, size - done);
    const std::uint64_t value = word(seed, at / sizeof(std::uint64_t));
    char raw[sizeof value];
    std::memcpy(raw, &value, sizeof value);
    std::memcpy(bytes.data() + done, raw + skip, take);
    done += take;
  }
  return bytes;
}

std::uint64_t seed_of(std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a
  for (const char c : name) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  }
  return hash;
}

::testing::AssertionResult same_bytes(std::string_view actual, std::string_view expected) {
  if (actual == expected) return ::testing::AssertionSuccess();
  const std::size_t common = std::min(actual.size(), expected.size());
  const auto differ =
      std::mismatch(actual.begin(), actual.begin() + static_cast<long>(common), expected.begin());
  const auto at = static_cast<std::size_t>(differ.first - actual.begin());
  auto failure = ::testing::AssertionFailure();
  failure << "sizes " << actual.size() << " (actual) and " << expected.size() << " (expected)";
  if (at < common) {
    failure << ", first difference at byte " << at << ": "
            << +static_cast<unsigned char>(actual[at]) << " instead of "
            << +static_cast<unsigned char>(expected[at]);
  }
  return failure;
}

}  // namespace support
