// What users get. Memory leaves in one gathered send. A file part goes by sendfile or by splice
// through a large pipe, as the tuning says for its length; by sendfile too where no pipe is free.
// Before each window of a file its pages are asked for (page_cache.h); absent ones are read in by
// the ring, on a thread of the kernel's, while other connections are served: so neither call waits
// for a disk. Who has to wait for one window has the next read while that one is sent.
#include <cerrno>

#include "server/send/disk_queue.h"
#include "server/send/page_cache.h"
#include "server/send/paths.h"

namespace ringserve::send {
namespace {

constexpr uint64_t kWindowBytes = kTurnBytesMax;

using Place = DiskQueue::Place;

class Auto final : public Path {
 public:
  explicit Auto(PathContext& context)
      : Path(context), disk_(kDiskReadersMax, context.runnable), sink_(new char[kWindowBytes]) {}

  Outcome advance(Transfer& transfer) override {
    if (!transfer.has_file()) return send_memory(transfer, false);
    CorkScope::begin(context_, transfer);
    uint64_t& part_bytes = transfer.state.part_bytes;
    if (part_bytes == 0) part_bytes = transfer.file().length;
    forget_what_is_old(transfer);
    Outcome outcome;
    Turn turn(context_);
    while (transfer.has_file()) {
      if (turn.is_over()) {
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
      outcome = step(transfer, turn.left(), moved);
      transfer.file_sent(moved);
      turn.use(moved);
      if (outcome.progress != Progress::done) break;
    }
    if (transfer.state.in_pipe == 0) release_pipe(context_, transfer);
    if (outcome.progress == Progress::done) CorkScope::end(transfer);
    return outcome;
  }

  // A window has been read in, or part of it. What the disk says of one that was read ahead is
  // left to the read that is waited for.
  Outcome completed(Transfer& transfer, unsigned, const io_uring_cqe& cqe) override {
    auto& state = transfer.state;
    disk_.leave(transfer.owner, state.place);
    if (cqe.res > 0) {
      state.warm_until = state.reading_from + static_cast<uint64_t>(cqe.res);
      state.warm_at_ms = PageCache::now_ms();
      page_cache_.note(transfer.file(), state.reading_from, state.warm_until);
    }
    if (!std::exchange(state.awaits_read, false)) return {Progress::in_flight, 0};
    if (cqe.res == 0) return {Progress::truncated, 0};
    const bool worth_another = cqe.res == -EINTR || cqe.res == -EAGAIN;
    if (cqe.res < 0 && !worth_another) return {Progress::failed, -cqe.res};
    return advance(transfer);
  }

  void release(Transfer& transfer) override {
    disk_.leave(transfer.owner, transfer.state.place);
    release_pipe(context_, transfer);
  }

 private:
  // The tuning is asked by the length of the whole part, so that a response keeps to one path.
  Outcome step(Transfer& transfer, uint64_t bytes_max, uint64_t& moved) {
    const FileRange& file = transfer.file();
    if (transfer.state.in_pipe == 0) {
      bytes_max = std::min({bytes_max, file.length, transfer.state.warm_until - file.offset});
    }
    if (context_.tuning.path_for(transfer.state.part_bytes) == FilePath::sendfile) {
      return sendfile_step(transfer, bytes_max, moved);
    }
    return splice_step(context_, transfer, bytes_max, moved);
  }

  static uint64_t window_end(const FileRange& file, uint64_t begin) {
    return std::min(file.offset + file.length, begin + kWindowBytes);
  }

  // A client may have made us wait long enough for the kernel to take the pages back.
  static void forget_what_is_old(Transfer& transfer) {
    auto& state = transfer.state;
    const bool is_old = PageCache::now_ms() - state.warm_at_ms > PageCache::kRememberedMs;
    if (is_old && state.place != Place::reading) state.warm_until = 0;
  }

  bool is_warm(Transfer& transfer) {
    const FileRange& file = transfer.file();
    auto& state = transfer.state;
    if (file.offset >= state.warm_until) {
      if (state.place == Place::reading) return false;
      const uint64_t end = window_end(file, file.offset);
      if (!page_cache_.has(file, file.offset, end)) return false;
      disk_.leave(transfer.owner, state.place);
      state.warm_until = end;
      state.warm_at_ms = PageCache::now_ms();
    }
    if (state.was_cold) read_ahead(transfer);
    return true;
  }

  Outcome warm_up(Transfer& transfer) {
    auto& state = transfer.state;
    state.was_cold = true;
    if (state.place != Place::reading) {
      if (!disk_.enter(transfer.owner, state.place)) return {Progress::starved, 0};
      read(transfer, transfer.file().offset);
    }
    state.awaits_read = true;
    return {Progress::in_flight, 0};
  }

  // One window ahead, and only while nobody is in line.
  void read_ahead(Transfer& transfer) {
    const FileRange& file = transfer.file();
    auto& state = transfer.state;
    const uint64_t next = state.warm_until;
    const bool is_due = next < file.offset + file.length && next - file.offset <= kWindowBytes;
    if (!is_due || state.place != Place::outside || !disk_.has_room()) return;
    if (page_cache_.has(file, next, window_end(file, next))) {
      state.warm_until = window_end(file, next);
    } else if (disk_.enter(transfer.owner, state.place)) {
      read(transfer, next);
    }
  }

  // Every window of every transfer is read into the same memory: nobody looks at it. By a thread of
  // the kernel's in any case: the ring's first attempt, here, would look up blocks and queue
  // requests, and may sleep in both.
  void read(Transfer& transfer, uint64_t from) {
    const FileRange& file = transfer.file();
    transfer.state.reading_from = from;
    context_.counters.cold_reads.add();
    submit(transfer, 0, [&](io_uring_sqe* sqe) {
      io_uring_prep_read(sqe, file.fd, sink_.get(),
                         static_cast<unsigned>(window_end(file, from) - from), from);
      sqe->flags |= IOSQE_ASYNC;
    });
  }

  PageCache page_cache_;
  DiskQueue disk_;
  std::unique_ptr<char[]> sink_;
};

}  // namespace

std::unique_ptr<Path> make_auto(PathContext& context) { return std::make_unique<Auto>(context); }

}  // namespace ringserve::send
