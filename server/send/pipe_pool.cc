// The last pipe given back is the first taken: its ring of pages is warm in the cache.
#include "server/send/pipe_pool.h"

#include <fcntl.h>

#include "common/check.h"

namespace ringserve::send {

Pipe PipePool::take() {
  if (!free_.empty()) {
    Pipe pipe = std::move(free_.back());
    free_.pop_back();
    return pipe;
  }
  if (pipes_ >= pipes_max_) return {};
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) return {};
  Pipe pipe{net::OwnedFd(ends[0]), net::OwnedFd(ends[1]), 0};
  // EPERM above the user's limit: the pipe keeps the size it was given.
  (void)::fcntl(ends[1], F_SETPIPE_SZ, static_cast<int>(wanted_bytes_));
  const int size_bytes = ::fcntl(ends[1], F_GETPIPE_SZ);
  if (size_bytes < static_cast<int>(kPipeBytesMin)) return {};
  pipe.capacity_bytes = static_cast<uint32_t>(size_bytes);
  ++pipes_;
  return pipe;
}

void PipePool::give_back(Pipe pipe, bool empty) {
  CHECK(pipe.valid() && pipes_ > 0);
  if (empty) {
    free_.push_back(std::move(pipe));
  } else {
    --pipes_;
  }
}

}  // namespace ringserve::send
