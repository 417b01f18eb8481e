// Relies on the page cache to keep what was just used: pages are not reclaimed in the order of the
// moment, so an answer holds for some milliseconds. Never reads what is not there.
#include "server/send/page_cache.h"

#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

namespace ringserve::send {
namespace {

// Long enough for a file that is asked for again and again, far too short for a kernel that needs
// memory, or looks for idle pages, to have taken those.
constexpr int64_t kRememberedMs = 100;

// <linux/mman.h> of Linux 6.5; older headers lack it.
constexpr long kSysCachestat = 451;
struct CachestatRange {
  uint64_t offset, length;
};
struct Cachestat {
  uint64_t cached, dirty, writeback, evicted, recently_evicted;  // pages
};

constexpr uint64_t kMix = 0x9E3779B97F4A7C15;  // 2^64 / golden ratio: spreads what is multiplied

constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kProbeStepBytes = 32 * 1024;

int64_t coarse_now_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

bool is_cached_at(int fd, uint64_t offset) {
  char byte = 0;
  iovec part{&byte, 1};
  return ::preadv2(fd, &part, 1, static_cast<off_t>(offset), RWF_NOWAIT) >= 0 || errno != EAGAIN;
}

// cachestat(2) counts every page, but only for a user who owns the file or may write to it, and
// since Linux 6.5; for others, RWF_NOWAIT reads one byte here and there: the page cache fills and
// empties in longer runs than the step.
bool is_cached(int fd, uint64_t begin, uint64_t end) {
  const CachestatRange range{begin, end - begin};
  Cachestat pages{};
  if (::syscall(kSysCachestat, fd, &range, &pages, 0) == 0) {
    return pages.cached > (end - 1) / kPageBytes - begin / kPageBytes;
  }
  for (uint64_t at = begin; at < end; at += kProbeStepBytes) {
    if (!is_cached_at(fd, at)) return false;
  }
  return is_cached_at(fd, end - 1);
}

}  // namespace

bool PageCache::has(const FileRange& file, uint64_t begin, uint64_t end) {
  Seen& seen = seen_[(file.opening * kMix + begin) * kMix >> (64 - kRememberedBits)];
  const int64_t now_ms = coarse_now_ms();
  const bool known = seen.opening == file.opening && seen.begin <= begin && seen.end >= end &&
                     now_ms - seen.at_ms <= kRememberedMs && file.opening != 0;
  if (known) return true;
  if (!is_cached(file.fd, begin, end)) return false;
  seen = {file.opening, begin, end, now_ms};
  return true;
}

}  // namespace ringserve::send
