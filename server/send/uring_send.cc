// Everything through the ring, with a copy: IORING_OP_READ into a registered buffer, then
// IORING_OP_SENDMSG of head and buffer. A cold file is awaited by the kernel, not by this thread.
// A full socket gives the buffer back (the bytes are read again), so slow readers hold none.
#include <cerrno>

#include "server/send/paths.h"

namespace ringserve::send {
namespace {

class UringSend final : public Path {
 public:
  using Path::Path;

  Outcome advance(Transfer& transfer) override {
    if (!transfer.has_file()) {
      return transfer.has_memory() ? submit_send(transfer) : Outcome{};
    }
    CorkScope::begin(context_, transfer);
    if (transfer.state.buffered_bytes > 0) return submit_send(transfer);
    return submit_read(transfer);
  }

  Outcome completed(Transfer& transfer, unsigned tag, const io_uring_cqe& cqe) override {
    return tag == kRead ? on_read(transfer, cqe.res) : on_sent(transfer, cqe.res);
  }

  void release(Transfer& transfer) override {
    auto& state = transfer.state;
    if (state.buffer < 0) return;
    context_.buffers->give_back(state.buffer);
    state.buffer = -1;
    state.buffered_bytes = 0;
    context_.resource_freed();
  }

 private:
  enum Tag : unsigned { kRead, kSend };

  Outcome submit_read(Transfer& transfer) {
    auto& state = transfer.state;
    BufferPool& buffers = *context_.buffers;
    if (state.buffer < 0) state.buffer = buffers.take();
    if (state.buffer < 0) return context_.wait_for_resource(transfer);
    const FileRange& file = transfer.file();
    const auto bytes = static_cast<unsigned>(std::min<uint64_t>(file.length, buffers.size_bytes()));
    return submit(transfer, kRead, [&](io_uring_sqe* sqe) {
      buffers.prepare_read(sqe, file.fd, state.buffer, bytes, file.offset);
    });
  }

  Outcome submit_send(Transfer& transfer) {
    auto& state = transfer.state;
    state.gather.assign(transfer.slices(), transfer.slices() + transfer.slice_count());
    if (state.buffered_bytes > 0) {
      state.gather.push_back(
          {context_.buffers->at(state.buffer) + state.buffer_offset, state.buffered_bytes});
    }
    state.message = {};
    state.message.msg_iov = state.gather.data();
    state.message.msg_iovlen = state.gather.size();
    const bool more =
        CorkScope::more(context_, transfer) && transfer.file().length > state.buffered_bytes;
    return submit(transfer, kSend, [&](io_uring_sqe* sqe) {
      // Not MSG_WAITALL: a slow reader would keep the buffer until it has read all of it.
      io_uring_prep_sendmsg(sqe, transfer.socket, &state.message,
                            MSG_DONTWAIT | MSG_NOSIGNAL | (more ? MSG_MORE : 0));
    });
  }

  Outcome on_read(Transfer& transfer, int result) {
    if (result == -EINTR) return submit_read(transfer);
    if (result < 0) return {Progress::failed, -result};
    if (result == 0) return {Progress::truncated, 0};
    transfer.state.buffered_bytes = static_cast<uint32_t>(result);
    transfer.state.buffer_offset = 0;
    return submit_send(transfer);
  }

  Outcome on_sent(Transfer& transfer, int result) {
    auto& state = transfer.state;
    if (result == -EINTR) return submit_send(transfer);
    if (result == -EAGAIN) {
      release(transfer);
      return {Progress::blocked, 0};
    }
    if (result < 0) return {Progress::failed, -result};
    size_t memory_bytes = 0;
    for (size_t i = 0; i < transfer.slice_count(); ++i) {
      memory_bytes += transfer.slices()[i].iov_len;
    }
    const size_t from_memory = std::min(memory_bytes, static_cast<size_t>(result));
    const auto from_file = static_cast<uint32_t>(static_cast<size_t>(result) - from_memory);
    transfer.memory_sent(from_memory);
    transfer.file_sent(from_file);
    transfer.mover = Mover::uring_send;
    state.buffered_bytes -= from_file;
    state.buffer_offset += from_file;
    if (state.buffered_bytes > 0 || transfer.has_memory()) return submit_send(transfer);
    if (transfer.has_file()) return submit_read(transfer);
    CorkScope::end(transfer);
    release(transfer);
    return {};
  }
};

}  // namespace

std::unique_ptr<Path> make_uring_send(PathContext& context) {
  return std::make_unique<UringSend>(context);
}

}  // namespace ringserve::send
