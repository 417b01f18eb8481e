// Where the access log goes: a file that is appended to, a pipe, a terminal. Knows nothing of lines
// but where they end, and never waits for a pipe that is full.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/net/owned_fd.h"
#include "common/net/result.h"

namespace ringserve::log {

class Destination {
 public:
  // A file gets no more at once, and ends where this does after each piece but the last: the kernel
  // then needs one folio for it, and the write costs a quarter less (bench/micro/log.cc,
  // Linux 6.18, ext4). Longer pieces cost the same.
  static constexpr size_t kPieceBytes = 64 * 1024;

  // A file is made if it is absent, readable by its group. A FIFO may have no reader yet. "-" is
  // stdout, as it is.
  static net::Result<Destination> open(const std::string& path);

  // Writes some of these lines and returns how many bytes, perhaps with a part of the last one; 0:
  // it takes nothing now, wait for fd() to be writable. What is not a file gets at most PIPE_BUF
  // bytes at once, whole lines if they are not longer: pipe(7) promises that nobody else's come
  // between those.
  net::Result<size_t> write(std::string_view lines);
  // Takes back the last bytes that were written, half a line; false where that cannot be.
  bool take_back(size_t bytes);

  int fd() const { return fd_.get(); }

 private:
  Destination(std::string path, net::OwnedFd fd);
  static net::OwnedFd open_stdout();
  std::string_view piece_of(std::string_view lines) const;

  std::string path_;
  net::OwnedFd fd_;
  bool is_file_;
  uint64_t end_ = 0;  // of the file, in bytes, if nobody else writes to it
};

}  // namespace ringserve::log
