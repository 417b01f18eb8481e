// IORING_OP_READ into a registered buffer, then IORING_OP_SEND_ZC: the socket refers to the buffer
// until a second completion, the notification, gives it back. Heads are small and are sent plainly.
// Over loopback the kernel copies all the same and says so (Documentation/networking/
// msg_zerocopy.rst); the counters tell how often. Unix sockets know no zero-copy send (EOPNOTSUPP):
// there the buffer is sent with IORING_OP_SEND.
#include <cerrno>

#include "server/send/paths.h"

#ifndef IORING_SEND_ZC_REPORT_USAGE  // Linux 6.2; liburing 2.3 does not name them yet
#define IORING_SEND_ZC_REPORT_USAGE (1U << 3)
#define IORING_NOTIF_USAGE_ZC_COPIED (1U << 31)
#endif

namespace ringserve::send {
namespace {

class SendZc final : public Path {
 public:
  using Path::Path;

  Outcome advance(Transfer& transfer) override {
    CorkScope::begin(context_, transfer);
    const Outcome outcome = send_memory(transfer, CorkScope::more(context_, transfer));
    return outcome.progress == Progress::done ? go_on(transfer) : outcome;
  }

  Outcome completed(Transfer& transfer, unsigned tag, const io_uring_cqe& cqe) override {
    if (tag == kRead) return on_read(transfer, cqe.res);
    const unsigned place = tag - kFirstSend;
    if ((cqe.flags & IORING_CQE_F_NOTIF) == 0) return on_sent(transfer, place, cqe);

    if ((static_cast<unsigned>(cqe.res) & IORING_NOTIF_USAGE_ZC_COPIED) != 0) {
      context_.counters.zero_copy_copied.add();
    }
    unpin(transfer, place);
    // The owner may be waiting for the socket or for a read; only a wait for this is over.
    if (!transfer.state.awaits_notification) return {Progress::in_flight, 0};
    return go_on(transfer);
  }

  void release(Transfer& transfer) override {
    for (unsigned place = 0; place < transfer.state.pinned.size(); ++place) unpin(transfer, place);
    if (transfer.state.buffer < 0) return;
    context_.buffers->give_back(std::exchange(transfer.state.buffer, -1));
    context_.resource_freed();
  }

 private:
  enum Tag : unsigned { kRead, kFirstSend };  // one tag per pinned buffer from kFirstSend on

  static int free_place(const Transfer& transfer) {
    const auto& pinned = transfer.state.pinned;
    for (unsigned place = 0; place < pinned.size(); ++place) {
      if (pinned[place] < 0) return static_cast<int>(place);
    }
    return -1;
  }

  void unpin(Transfer& transfer, unsigned place) {
    int& buffer = transfer.state.pinned[place];
    if (buffer < 0) return;
    context_.buffers->give_back(std::exchange(buffer, -1));
    context_.resource_freed();
  }

  Outcome go_on(Transfer& transfer) {
    auto& state = transfer.state;
    state.awaits_notification = false;
    if (!transfer.has_file()) {
      CorkScope::end(transfer);
      if (transfer.in_flight == 0) return {};
      state.awaits_notification = true;  // the buffers are not ours again yet
      return {Progress::unacknowledged, 0};
    }
    if (free_place(transfer) < 0) {
      CorkScope::end(transfer);  // what the cork holds back would never be acknowledged
      state.awaits_notification = true;
      return {Progress::unacknowledged, 0};
    }
    return submit_read(transfer);
  }

  // Slow readers hold all buffers, or all memory that may be pinned, for as long as they like.
  Outcome go_on_with_sendfile(Transfer& transfer) {
    const Outcome outcome = move_file(context_, transfer, sendfile_step);
    return outcome.progress == Progress::done ? go_on(transfer) : outcome;
  }

  Outcome submit_read(Transfer& transfer) {
    auto& state = transfer.state;
    BufferPool& buffers = *context_.buffers;
    if (state.buffer < 0) state.buffer = buffers.take();
    if (state.buffer < 0) return go_on_with_sendfile(transfer);
    const FileRange& file = transfer.file();
    const auto bytes = static_cast<unsigned>(std::min<uint64_t>(file.length, buffers.size_bytes()));
    return submit(transfer, kRead, [&](io_uring_sqe* sqe) {
      buffers.prepare_read(sqe, file.fd, state.buffer, bytes, file.offset);
    });
  }

  Outcome on_read(Transfer& transfer, int result) {
    if (result == -EINTR) return submit_read(transfer);
    if (result < 0) return {Progress::failed, -result};
    if (result == 0) return {Progress::truncated, 0};

    auto& state = transfer.state;
    const int place = free_place(transfer);
    CHECK(place >= 0);
    state.pinned[static_cast<size_t>(place)] = std::exchange(state.buffer, -1);
    const int buffer = state.pinned[static_cast<size_t>(place)];
    return submit(transfer, kFirstSend + static_cast<unsigned>(place), [&](io_uring_sqe* sqe) {
      // Never MSG_MORE: the notification would wait for the segment that is held back.
      const int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
      const auto bytes = static_cast<size_t>(result);
      if (!transfer.is_tcp) {
        io_uring_prep_send(sqe, transfer.socket, context_.buffers->at(buffer), bytes, flags);
      } else if (context_.buffers->registered()) {
        io_uring_prep_send_zc_fixed(sqe, transfer.socket, context_.buffers->at(buffer), bytes,
                                    flags, IORING_SEND_ZC_REPORT_USAGE,
                                    static_cast<unsigned>(buffer));
      } else {
        io_uring_prep_send_zc(sqe, transfer.socket, context_.buffers->at(buffer), bytes, flags,
                              IORING_SEND_ZC_REPORT_USAGE);
      }
    });
  }

  // What a short send left in the buffer is read again: the buffer stays pinned for what was sent.
  Outcome on_sent(Transfer& transfer, unsigned place, const io_uring_cqe& cqe) {
    if ((cqe.flags & IORING_CQE_F_MORE) == 0) unpin(transfer, place);
    if (cqe.res == -EAGAIN) return {Progress::blocked, 0};
    // RLIMIT_MEMLOCK: what is not registered is pinned for each send.
    if (cqe.res == -ENOMEM || cqe.res == -ENOBUFS) return go_on_with_sendfile(transfer);
    if (cqe.res < 0 && cqe.res != -EINTR) return {Progress::failed, -cqe.res};
    if (cqe.res > 0) {
      if (transfer.is_tcp) context_.counters.zero_copy_sends.add();
      transfer.file_sent(static_cast<uint64_t>(cqe.res));
      transfer.mover = Mover::send_zc;
    }
    return go_on(transfer);
  }
};

}  // namespace

std::unique_ptr<Path> make_send_zc(PathContext& context) {
  return std::make_unique<SendZc>(context);
}

}  // namespace ringserve::send
