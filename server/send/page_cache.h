// What of a file is in the page cache: asked of the kernel, and remembered for a moment, since
// asking costs 3 % of sending (a look at every page). One object per worker, used by its thread
// only.
#pragma once

#include <array>
#include <cstdint>

#include "server/send/transfer.h"

namespace ringserve::send {

class PageCache {
 public:
  // Long enough for a file that is asked for again and again, far too short for a kernel that needs
  // memory, or looks for idle pages, to have taken those.
  static constexpr int64_t kRememberedMs = 100;
  static int64_t now_ms();  // CLOCK_MONOTONIC_COARSE

  // Whether the bytes [begin, end) of the file, end > begin, can be sent without waiting for a
  // disk. Never waits for one itself. Where it errs, one call waits for one read.
  bool has(const FileRange& file, uint64_t begin, uint64_t end);
  // They have just been read.
  void note(const FileRange& file, uint64_t begin, uint64_t end);

 private:
  struct Seen;
  Seen& place_of(const FileRange& file, uint64_t begin);

  struct Seen {
    uint64_t opening = 0;
    uint64_t begin = 0, end = 0;
    int64_t at_ms = 0;
  };
  static constexpr unsigned kRememberedBits = 10;  // 1024 parts of files

  std::array<Seen, size_t{1} << kRememberedBits> seen_{};
};

}  // namespace ringserve::send
