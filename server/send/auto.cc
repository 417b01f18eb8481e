// What users get. Memory leaves in one gathered send. A file part goes by splice through a large
// pipe, or by sendfile where no pipe is free. Before each window of a file its pages are asked for
// (cachestat(2)); absent ones are read in by the ring while other connections are served, so that
// neither call waits for a disk.
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "server/send/paths.h"

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

constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kWindowBytes = kTurnBytesMax;
constexpr uint64_t kProbeStepBytes = 32 * 1024;

bool is_cached_at(int fd, uint64_t offset) {
  char byte = 0;
  iovec part{&byte, 1};
  return ::preadv2(fd, &part, 1, static_cast<off_t>(offset), RWF_NOWAIT) >= 0 || errno != EAGAIN;
}

// Whether the bytes are in the page cache. cachestat(2) counts every page, but only for a user who
// owns the file or may write to it, and since Linux 6.5; for others, RWF_NOWAIT reads one byte here
// and there: the page cache fills and empties in longer runs than the step.
bool is_cached(int fd, uint64_t offset, uint64_t length) {
  const CachestatRange range{offset, length};
  Cachestat pages{};
  if (::syscall(kSysCachestat, fd, &range, &pages, 0) == 0) {
    return pages.cached > (offset + length - 1) / kPageBytes - offset / kPageBytes;
  }
  for (uint64_t at = offset; at < offset + length; at += kProbeStepBytes) {
    if (!is_cached_at(fd, at)) return false;
  }
  return is_cached_at(fd, offset + length - 1);
}

class Auto final : public Path {
 public:
  explicit Auto(PathContext& context) : Path(context), sink_(new char[kWindowBytes]) {}

  Outcome advance(Transfer& transfer) override {
    if (!transfer.has_file()) return send_memory(transfer, false);
    CorkScope::begin(context_, transfer);
    Outcome outcome;
    uint64_t left = kTurnBytesMax;
    while (transfer.has_file()) {
      if (left == 0) {
        outcome = {Progress::again, 0};
        break;
      }
      if (transfer.state.in_pipe == 0 && !is_warm(transfer)) {
        outcome = warm_up(transfer);
        break;
      }
      outcome = send_memory(transfer, CorkScope::more(context_, transfer));
      if (outcome.progress != Progress::done) break;
      uint64_t moved = 0;
      const FileRange& file = transfer.file();
      const uint64_t warm = transfer.state.warm_until - file.offset;
      outcome = splice_step(context_, transfer, std::min({left, file.length, warm}), moved);
      transfer.file_sent(moved);
      left -= std::min(left, moved);
      if (outcome.progress != Progress::done) break;
    }
    if (transfer.state.in_pipe == 0) release_pipe(context_, transfer);
    if (outcome.progress == Progress::done) CorkScope::end(transfer);
    return outcome;
  }

  // The window has been read in. An error is left to the send that follows, which meets it too.
  Outcome completed(Transfer& transfer, unsigned, const io_uring_cqe& cqe) override {
    if (cqe.res == 0) return {Progress::truncated, 0};
    return advance(transfer);
  }

  void release(Transfer& transfer) override { release_pipe(context_, transfer); }

 private:
  static uint64_t window_end(const FileRange& file) {
    return file.offset + std::min(file.length, kWindowBytes);
  }

  static bool is_warm(Transfer& transfer) {
    const FileRange& file = transfer.file();
    uint64_t& warm_until = transfer.state.warm_until;
    if (file.offset < warm_until) return true;
    if (!is_cached(file.fd, file.offset, window_end(file) - file.offset)) return false;
    warm_until = window_end(file);
    return true;
  }

  // Every window of every transfer is read into the same memory: nobody looks at it.
  Outcome warm_up(Transfer& transfer) {
    const FileRange& file = transfer.file();
    transfer.state.warm_until = window_end(file);
    return submit(transfer, 0, [&](io_uring_sqe* sqe) {
      io_uring_prep_read(sqe, file.fd, sink_.get(),
                         static_cast<unsigned>(window_end(file) - file.offset), file.offset);
    });
  }

  std::unique_ptr<char[]> sink_;
};

}  // namespace

std::unique_ptr<Path> make_auto(PathContext& context) { return std::make_unique<Auto>(context); }

}  // namespace ringserve::send
