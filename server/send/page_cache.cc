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

// Whether the byte can be read at once. Where the file system cannot tell (EOPNOTSUPP: FUSE, NFS)
// it has to be read to be known; any other error is the sender's to meet, and costs it no wait.
bool is_readable_at(int fd, uint64_t offset) {
  char byte = 0;
  iovec part{&byte, 1};
  const ssize_t got = ::preadv2(fd, &part, 1, static_cast<off_t>(offset), RWF_NOWAIT);
  return got >= 0 || (errno != EAGAIN && errno != EOPNOTSUPP);
}

// cachestat(2) counts every page, but only for a user who owns the file or may write to it, and
// since Linux 6.5. It comes first, since a read that fails with RWF_NOWAIT begins to read ahead,
// and so queues requests for the disk, here. But it counts pages too that are still being read: so
// RWF_NOWAIT reads a byte here and there; the page cache fills and empties in longer runs than the
// step.
bool is_cached(int fd, uint64_t begin, uint64_t end) {
  const CachestatRange range{begin, end - begin};
  Cachestat pages{};
  const bool is_known = ::syscall(kSysCachestat, fd, &range, &pages, 0) == 0;
  if (is_known && pages.cached <= (end - 1) / kPageBytes - begin / kPageBytes) return false;
  for (uint64_t at = begin; at < end; at += kProbeStepBytes) {
    if (!is_readable_at(fd, at)) return false;
  }
  return is_readable_at(fd, end - 1);
}

}  // namespace

int64_t PageCache::now_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

PageCache::Seen& PageCache::place_of(const FileRange& file, uint64_t begin) {
  return seen_[(file.opening * kMix + begin) * kMix >> (64 - kRememberedBits)];
}

bool PageCache::has(const FileRange& file, uint64_t begin, uint64_t end) {
  const Seen& seen = place_of(file, begin);
  const bool known = seen.opening == file.opening && seen.begin <= begin && seen.end >= end &&
                     now_ms() - seen.at_ms <= kRememberedMs && file.opening != 0;
  if (known) return true;
  if (!is_cached(file.fd, begin, end)) return false;
  note(file, begin, end);
  return true;
}

void PageCache::note(const FileRange& file, uint64_t begin, uint64_t end) {
  place_of(file, begin) = {file.opening, begin, end, now_ms()};
}

}  // namespace ringserve::send
