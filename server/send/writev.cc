// The better copying baseline: pread(2) into one buffer, head and body in one sendmsg(2) (writev
// with flags). What the socket did not take is read again later. pread blocks on a cold file.
#include <cerrno>

#include "server/send/paths.h"

namespace ringserve::send {
namespace {

class Writev final : public Path {
 public:
  explicit Writev(PathContext& context) : Path(context), buffer_(new char[kCopyBufferBytes]) {}

  Outcome advance(Transfer& transfer) override {
    if (!transfer.has_file()) return send_memory(transfer, false);
    CorkScope::begin(context_, transfer);
    const Outcome outcome =
        move_file(context_, transfer, [this](Transfer& t, uint64_t bytes_max, uint64_t& moved) {
          return step(t, bytes_max, moved);
        });
    if (outcome.progress == Progress::done) CorkScope::end(transfer);
    return outcome;
  }

 private:
  Outcome step(Transfer& transfer, uint64_t bytes_max, uint64_t& moved) {
    size_t got = 0;
    transfer.mover = Mover::writev;
    const Outcome outcome = read_file(transfer, buffer_.get(), bytes_max, got);
    if (got == 0) return outcome;

    gather_.assign(transfer.slices(), transfer.slices() + transfer.slice_count());
    gather_.push_back({buffer_.get(), got});
    size_t head_bytes = 0;
    for (size_t i = 0; i + 1 < gather_.size(); ++i) head_bytes += gather_[i].iov_len;
    msghdr message{};
    message.msg_iov = gather_.data();
    message.msg_iovlen = gather_.size();
    const bool more = CorkScope::more(context_, transfer) && got < transfer.file().length;
    const ssize_t sent =
        ::sendmsg(transfer.socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL | (more ? MSG_MORE : 0));
    if (sent < 0) {
      if (errno == EINTR) return {};
      return {errno == EAGAIN ? Progress::blocked : Progress::failed, errno};
    }
    const size_t from_head = std::min(head_bytes, static_cast<size_t>(sent));
    transfer.memory_sent(from_head);
    moved = static_cast<size_t>(sent) - from_head;
    return {};
  }

  std::unique_ptr<char[]> buffer_;
  std::vector<iovec> gather_;
};

}  // namespace

std::unique_ptr<Path> make_writev(PathContext& context) {
  return std::make_unique<Writev>(context);
}

}  // namespace ringserve::send
