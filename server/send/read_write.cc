// The textbook: send the head, then pread(2) and send(2) through one buffer. What the socket did
// not take is read again later, so a slow reader holds no buffer. pread blocks on a cold file.
#include "server/send/paths.h"

namespace ringserve::send {
namespace {

class ReadWrite final : public Path {
 public:
  explicit ReadWrite(PathContext& context) : Path(context), buffer_(new char[kCopyBufferBytes]) {}

  Outcome advance(Transfer& transfer) override {
    CorkScope::begin(context_, transfer);
    Outcome outcome = send_memory(transfer, CorkScope::more(context_, transfer));
    if (outcome.progress == Progress::done) {
      outcome =
          move_file(context_, transfer, [this](Transfer& t, uint64_t bytes_max, uint64_t& moved) {
            return step(t, bytes_max, moved);
          });
    }
    if (outcome.progress == Progress::done) CorkScope::end(transfer);
    return outcome;
  }

 private:
  Outcome step(Transfer& transfer, uint64_t bytes_max, uint64_t& moved) {
    size_t got = 0;
    transfer.mover = Mover::read_write;
    const Outcome outcome = read_file(transfer, buffer_.get(), bytes_max, got);
    if (got == 0) return outcome;
    return send_buffer(transfer.socket, buffer_.get(), got, false, moved);
  }

  std::unique_ptr<char[]> buffer_;
};

}  // namespace

std::unique_ptr<Path> make_read_write(PathContext& context) {
  return std::make_unique<ReadWrite>(context);
}

}  // namespace ringserve::send
