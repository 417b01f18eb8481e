// sendfile(2): the kernel moves pages from the page cache to the socket through a hidden pipe of 16
// pages, without a copy. The socket is non-blocking; a cold file blocks all the same.
#include <sys/sendfile.h>

#include <cerrno>

#include "server/send/paths.h"

namespace ringserve::send {

Outcome sendfile_step(Transfer& transfer, uint64_t bytes_max, uint64_t& moved) {
  const FileRange& file = transfer.file();
  transfer.mover = Mover::sendfile;
  auto offset = static_cast<off_t>(file.offset);
  const ssize_t sent = ::sendfile(transfer.socket, file.fd, &offset, bytes_max);
  if (sent < 0) {
    if (errno == EINTR) return {};
    return {errno == EAGAIN ? Progress::blocked : Progress::failed, errno};
  }
  if (sent == 0) return {Progress::truncated, 0};
  moved = static_cast<uint64_t>(sent);
  return {};
}

namespace {

class Sendfile final : public Path {
 public:
  using Path::Path;

  Outcome advance(Transfer& transfer) override {
    CorkScope::begin(context_, transfer);
    Outcome outcome = send_memory(transfer, CorkScope::more(context_, transfer));
    if (outcome.progress == Progress::done) outcome = move_file(context_, transfer, sendfile_step);
    if (outcome.progress == Progress::done) CorkScope::end(transfer);
    return outcome;
  }
};

}  // namespace

std::unique_ptr<Path> make_sendfile(PathContext& context) {
  return std::make_unique<Sendfile>(context);
}

}  // namespace ringserve::send
