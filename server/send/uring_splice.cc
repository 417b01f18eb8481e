// Two linked IORING_OP_SPLICE, file to pipe and pipe to socket. The kernel runs each on a worker
// thread of its own (io_uring/splice.c: always REQ_F_FORCE_ASYNC), so a cold file blocks nobody
// here. A short first half breaks the link (io_uring_enter(2), IOSQE_IO_LINK): the second half is
// then submitted alone. Where slow readers hold all pipes, sendfile goes on.
#include <fcntl.h>

#include <cerrno>

#include "server/send/paths.h"

namespace ringserve::send {
namespace {

class UringSplice final : public Path {
 public:
  using Path::Path;

  Outcome advance(Transfer& transfer) override {
    CorkScope::begin(context_, transfer);
    const Outcome outcome = send_memory(transfer, CorkScope::more(context_, transfer));
    if (outcome.progress != Progress::done || !transfer.has_file()) return outcome;
    return next(transfer);
  }

  Outcome completed(Transfer& transfer, unsigned tag, const io_uring_cqe& cqe) override {
    auto& state = transfer.state;
    if (tag == kFill) {
      if (cqe.res > 0) {
        state.in_pipe += static_cast<uint64_t>(cqe.res);
      } else {
        state.pending_error = cqe.res == 0 ? kEndOfFile : -cqe.res;
      }
    } else if (cqe.res > 0) {
      state.in_pipe -= static_cast<uint64_t>(cqe.res);
      transfer.file_sent(static_cast<uint64_t>(cqe.res));
      transfer.mover = Mover::uring_splice;
    } else if (cqe.res != -ECANCELED && state.pending_error == 0) {
      state.pending_error = -cqe.res;
    }
    if (transfer.in_flight > 0) return {Progress::in_flight, 0};  // the other half of the pair

    const int error = std::exchange(state.pending_error, 0);
    if (error == kEndOfFile) return {Progress::truncated, 0};
    if (error == EAGAIN) return {Progress::blocked, 0};
    if (error != 0 && error != EINTR) return {Progress::failed, error};
    return next(transfer);
  }

  void release(Transfer& transfer) override { release_pipe(context_, transfer); }

 private:
  enum Tag : unsigned { kFill, kDrain };
  static constexpr int kEndOfFile = -1;

  Outcome next(Transfer& transfer) {
    auto& state = transfer.state;
    if (!transfer.has_file()) {
      CorkScope::end(transfer);
      release(transfer);
      return {};
    }
    if (!state.pipe.valid()) state.pipe = context_.pipes.take();
    if (!state.pipe.valid()) {
      const Outcome outcome = move_file(context_, transfer, sendfile_step);
      if (outcome.progress == Progress::done) CorkScope::end(transfer);
      return outcome;
    }
    context_.ring.reserve(2);  // a link must not be split between two submissions
    uint64_t bytes = state.in_pipe;
    if (bytes == 0) {
      const FileRange& file = transfer.file();
      bytes = std::min<uint64_t>(file.length, state.pipe.capacity_bytes);
      submit(transfer, kFill, [&](io_uring_sqe* sqe) {
        io_uring_prep_splice(sqe, file.fd, static_cast<int64_t>(file.offset),
                             state.pipe.write_end.get(), -1, static_cast<unsigned>(bytes),
                             SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        sqe->flags |= IOSQE_IO_LINK;
      });
    }
    const bool more = context_.cork != Cork::none && bytes < transfer.file().length;
    return submit(transfer, kDrain, [&](io_uring_sqe* sqe) {
      io_uring_prep_splice(sqe, state.pipe.read_end.get(), -1, transfer.socket, -1,
                           static_cast<unsigned>(bytes),
                           SPLICE_F_MOVE | SPLICE_F_NONBLOCK | (more ? SPLICE_F_MORE : 0));
    });
  }
};

}  // namespace

std::unique_ptr<Path> make_uring_splice(PathContext& context) {
  return std::make_unique<UringSplice>(context);
}

}  // namespace ringserve::send
