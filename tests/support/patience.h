// How long the tests wait, and how much they ask of a slow build. Every wait in the suite has a
// deadline from here, so that a hang becomes a failure with a name instead of a stuck run.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdlib>

namespace support {

#ifdef RINGSERVE_SANITIZED
inline constexpr bool kBuiltWithSanitizer = true;
#else
inline constexpr bool kBuiltWithSanitizer = false;
#endif

// Whether what is tested has a sanitizer: this program, or the binaries it was given by ./check,
// which says so (RINGSERVE_BINARY and RINGLOAD_BINARY name them).
inline bool is_sanitized() {
  static const bool told = std::getenv("RINGSERVE_SANITIZED") != nullptr;
  return kBuiltWithSanitizer || told;
}

// Generous on purpose: four tests share two slow cores, and no test asserts a time.
inline int patience_s() { return is_sanitized() ? 40 : 25; }

// A load for the release build, a smaller one for the builds that run ten times slower.
inline std::size_t scaled(std::size_t release, std::size_t sanitized) {
  return is_sanitized() ? sanitized : release;
}

class Deadline {
 public:
  explicit Deadline(int seconds = patience_s())
      : at_(std::chrono::steady_clock::now() + std::chrono::seconds(seconds)) {}

  bool passed() const { return std::chrono::steady_clock::now() >= at_; }

  // As poll(2) wants it: never negative, because that would mean for ever.
  int left_ms() const {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        at_ - std::chrono::steady_clock::now());
    return left.count() > 0 ? static_cast<int>(left.count()) : 0;
  }

  std::chrono::steady_clock::time_point at() const { return at_; }

 private:
  std::chrono::steady_clock::time_point at_;
};

}  // namespace support
