// Pipes for splice(2), kept and used again: fs.pipe-user-pages-soft (pipe(7)) lets an unprivileged
// user have 64 MiB of pipe buffers, and pipes beyond that shrink to one page. One pool per worker.
#pragma once

#include <cstdint>
#include <vector>

#include "common/net/owned_fd.h"

namespace ringserve::send {

struct Pipe {
  net::OwnedFd read_end, write_end;
  uint32_t capacity_bytes = 0;

  bool valid() const { return read_end.valid(); }
};

class PipePool {
 public:
  // At most `pipes_max` pipes at once; each is asked to hold `wanted_bytes` and may hold less.
  PipePool(unsigned pipes_max, uint32_t wanted_bytes)
      : pipes_max_(pipes_max), wanted_bytes_(wanted_bytes) {}

  // A smaller pipe (what an unprivileged user gets beyond the limit) is slower than sendfile.
  static constexpr uint32_t kPipeBytesMin = 64 * 1024;

  // An empty pipe; an invalid one if all are in use, or there is no descriptor or memory for one.
  Pipe take();
  // A pipe that is empty goes back to the pool; one with bytes in it is closed.
  void give_back(Pipe pipe, bool empty);

  unsigned pipes() const { return pipes_; }

 private:
  unsigned pipes_max_;
  uint32_t wanted_bytes_;
  unsigned pipes_ = 0;
  std::vector<Pipe> free_;
};

}  // namespace ringserve::send
