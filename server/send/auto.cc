// What users get. Memory leaves in one gathered send. A file part goes by sendfile or by splice
// through a large pipe, as the tuning says for its length; by sendfile too where no pipe is free.
// Before each window of a file its pages are asked for (cachestat(2)); absent ones are read in by
// the ring while other connections are served, so that neither call waits for a disk.
#include "server/send/page_cache.h"
#include "server/send/paths.h"

namespace ringserve::send {
namespace {

constexpr uint64_t kWindowBytes = kTurnBytesMax;

class Auto final : public Path {
 public:
  explicit Auto(PathContext& context) : Path(context), sink_(new char[kWindowBytes]) {}

  Outcome advance(Transfer& transfer) override {
    if (!transfer.has_file()) return send_memory(transfer, false);
    CorkScope::begin(context_, transfer);
    uint64_t& part_bytes = transfer.state.part_bytes;
    if (part_bytes == 0) part_bytes = transfer.file().length;
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

  // The window has been read in. An error is left to the send that follows, which meets it too.
  Outcome completed(Transfer& transfer, unsigned, const io_uring_cqe& cqe) override {
    if (cqe.res == 0) return {Progress::truncated, 0};
    return advance(transfer);
  }

  void release(Transfer& transfer) override { release_pipe(context_, transfer); }

 private:
  // The tuning is asked by the length of the whole part, so that a response keeps to one path.
  Outcome step(Transfer& transfer, uint64_t bytes_max, uint64_t& moved) {
    const FileRange& file = transfer.file();
    const uint64_t warm = transfer.state.warm_until - file.offset;
    bytes_max = std::min({bytes_max, file.length, warm});
    if (context_.tuning.path_for(transfer.state.part_bytes) == FilePath::sendfile) {
      return sendfile_step(transfer, bytes_max, moved);
    }
    return splice_step(context_, transfer, bytes_max, moved);
  }

  static uint64_t window_end(const FileRange& file) {
    return file.offset + std::min(file.length, kWindowBytes);
  }

  bool is_warm(Transfer& transfer) {
    const FileRange& file = transfer.file();
    uint64_t& warm_until = transfer.state.warm_until;
    if (file.offset < warm_until) return true;
    if (!page_cache_.has(file, file.offset, window_end(file))) return false;
    warm_until = window_end(file);
    return true;
  }

  // Every window of every transfer is read into the same memory: nobody looks at it.
  Outcome warm_up(Transfer& transfer) {
    const FileRange& file = transfer.file();
    transfer.state.warm_until = window_end(file);
    context_.counters.cold_reads.add();
    return submit(transfer, 0, [&](io_uring_sqe* sqe) {
      io_uring_prep_read(sqe, file.fd, sink_.get(),
                         static_cast<unsigned>(window_end(file) - file.offset), file.offset);
    });
  }

  PageCache page_cache_;
  std::unique_ptr<char[]> sink_;
};

}  // namespace

std::unique_ptr<Path> make_auto(PathContext& context) { return std::make_unique<Auto>(context); }

}  // namespace ringserve::send
