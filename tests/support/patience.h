// How long the tests wait, and how much they ask of a slow build. Every wait in the suite has a
// deadline from here, so that a hang becomes a failure with a name instead of a stuck run.
#pragma once

#include <chrono>
#include <cstddef>

namespace support {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kAddressSanitizer = true;
#else
inline constexpr bool kAddressSanitizer = false;
#endif
#if defined(__SANITIZE_THREAD__)
inline constexpr bool kThreadSanitizer = true;
#else
inline constexpr bool kThreadSanitizer = false;
#endif
inline constexpr bool kSanitized = kAddressSanitizer || kThreadSanitizer;

// Generous on purpose: four tests share two slow cores, and no test asserts a time.
inline constexpr int kPatience_s = kSanitized ? 40 : 25;

// A load for the release build, a smaller one for the builds that run ten times slower.
constexpr std::size_t scaled(std::size_t release, std::size_t sanitized) {
  return kSanitized ? sanitized : release;
}

class Deadline {
 public:
  explicit Deadline(int seconds = kPatience_s)
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
