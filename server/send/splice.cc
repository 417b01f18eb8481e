// splice(2) twice: page cache to pipe, pipe to socket. A larger pipe than sendfile's hidden one
// moves more per call. A pipe with bytes in it belongs to its transfer until they are sent, so slow
// readers can use all of them up: whoever finds none goes on with sendfile. An empty pipe goes back
// to the pool at the end of every turn.
#include <fcntl.h>

#include <cerrno>

#include "server/send/paths.h"

namespace ringserve::send {

void release_pipe(PathContext& context, Transfer& transfer) {
  auto& state = transfer.state;
  if (!state.pipe.valid()) return;
  context.pipes.give_back(std::move(state.pipe), state.in_pipe == 0 && !transfer.aborted);
  state.in_pipe = 0;
}

Outcome splice_step(PathContext& context, Transfer& transfer, uint64_t bytes_max, uint64_t& moved) {
  auto& state = transfer.state;
  const FileRange& file = transfer.file();
  if (!state.pipe.valid()) state.pipe = context.pipes.take();
  if (!state.pipe.valid()) return sendfile_step(transfer, bytes_max, moved);
  transfer.mover = Mover::splice;
  if (state.in_pipe == 0) {
    auto offset = static_cast<loff_t>(file.offset);
    const size_t wanted = std::min<uint64_t>(bytes_max, state.pipe.capacity_bytes);
    const ssize_t got = ::splice(file.fd, &offset, state.pipe.write_end.get(), nullptr, wanted,
                                 SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (got < 0) return errno == EINTR ? Outcome{} : Outcome{Progress::failed, errno};
    if (got == 0) return {Progress::truncated, 0};
    state.in_pipe = static_cast<uint64_t>(got);
  }
  const bool more = context.cork != Cork::none && state.in_pipe < file.length;
  const ssize_t sent =
      ::splice(state.pipe.read_end.get(), nullptr, transfer.socket, nullptr, state.in_pipe,
               SPLICE_F_MOVE | SPLICE_F_NONBLOCK | (more ? SPLICE_F_MORE : 0));
  if (sent < 0) {
    if (errno == EINTR) return {};
    return {errno == EAGAIN ? Progress::blocked : Progress::failed, errno};
  }
  CHECK(sent > 0 && static_cast<uint64_t>(sent) <= state.in_pipe);
  state.in_pipe -= static_cast<uint64_t>(sent);
  moved = static_cast<uint64_t>(sent);
  return {};
}

namespace {

class Splice final : public Path {
 public:
  using Path::Path;

  Outcome advance(Transfer& transfer) override {
    CorkScope::begin(context_, transfer);
    Outcome outcome = send_memory(transfer, CorkScope::more(context_, transfer));
    if (outcome.progress == Progress::done) {
      outcome =
          move_file(context_, transfer, [this](Transfer& t, uint64_t bytes_max, uint64_t& moved) {
            return splice_step(context_, t, bytes_max, moved);
          });
    }
    if (transfer.state.in_pipe == 0) release_pipe(context_, transfer);
    if (outcome.progress == Progress::done) CorkScope::end(transfer);
    return outcome;
  }

  void release(Transfer& transfer) override { release_pipe(context_, transfer); }
};

}  // namespace

std::unique_ptr<Path> make_splice(PathContext& context) {
  return std::make_unique<Splice>(context);
}

}  // namespace ringserve::send
