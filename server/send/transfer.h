// What is on its way into one socket: bytes from memory (heads, small bodies), then at most one
// part of a file. Built by the connection, moved by a Path. One at a time per connection.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "common/check.h"
#include "server/send/disk_queue.h"
#include "server/send/mover.h"
#include "server/send/pipe_pool.h"

namespace ringserve::send {

// Part of an open file. `keep` owns the descriptor and the name.
struct FileRange {
  std::shared_ptr<const void> keep;
  std::string_view name{};  // for logs
  int fd = -1;
  uint64_t offset = 0;   // bytes
  uint64_t length = 0;   // bytes still to send
  uint64_t opening = 0;  // tells this opening of a file from all others, before and after
};

class Transfer {
 public:
  // Heads and small bodies are gathered here: about a hundred replies to pipelined requests.
  static constexpr size_t kArenaBytes = 32 * 1024;
  // Smaller bodies are copied behind their head (one slice); larger ones are referred to. Measured
  // with 1 KiB bodies, 16 pipelined: a slice of its own for each costs 5 % more.
  static constexpr size_t kCopiedBodyBytesMax = 4 * 1024;
  // A body that is not held in memory but this small is read and gathered all the same: one pread
  // costs less than the two calls of a splice.
  static constexpr size_t kWarmFileBytesMax = 16 * 1024;
  static constexpr size_t kSlicesMax = 64;  // of IOV_MAX 1024

  Transfer() : arena_(new char[kArenaBytes]) { slices_.reserve(kSlicesMax); }

  // --- building ---
  char* free_space() { return arena_.get() + used_; }
  size_t room() const { return slices_.size() + 2 > kSlicesMax ? 0 : kArenaBytes - used_; }
  // The next `bytes` of free_space() are part of the transfer.
  void commit(size_t bytes);
  // A body in memory, kept alive by `keep`. Needs room() >= kCopiedBodyBytesMax.
  template <typename T>
  void add_memory(std::string_view body, const std::shared_ptr<T>& keep) {
    if (body.empty()) return;
    if (body.size() <= kCopiedBodyBytesMax) return add_copy(body);
    queued_bytes_ += body.size();
    slices_.push_back({const_cast<char*>(body.data()), body.size()});
    if (kept_.empty() || kept_.back().get() != keep.get()) kept_.push_back(keep);
  }
  // A text of any length, copied.
  void add_copy(std::string_view text);
  // Reads a small part of a file into the arena if that needs no disk; false, and nothing added, if
  // it does or there is no room.
  bool add_warm_file(const FileRange& range);
  void set_file(FileRange range) {
    file_ = std::move(range);
    queued_bytes_ += file_.length;
  }

  bool empty() const { return !has_memory() && !has_file(); }

  // --- sending ---
  bool has_memory() const { return first_slice_ < slices_.size(); }
  bool has_file() const { return file_.length > 0; }
  iovec* slices() { return slices_.data() + first_slice_; }
  size_t slice_count() const { return slices_.size() - first_slice_; }
  FileRange& file() { return file_; }
  const FileRange& file() const { return file_; }
  void memory_sent(size_t bytes);
  void file_sent(uint64_t bytes) {
    CHECK(bytes <= file_.length);
    file_.offset += bytes;
    file_.length -= bytes;
    file_sent_bytes_ += bytes;
  }
  uint64_t queued_bytes() const { return queued_bytes_; }  // of the whole transfer, sent or not
  uint64_t sent_bytes() const { return memory_sent_bytes_ + file_sent_bytes_; }
  uint64_t file_sent_bytes() const { return file_sent_bytes_; }

  // Empty again, its memory kept. No ring operation may be in flight.
  void reset();

  // --- set by the connection, read by paths ---
  int socket = -1;     // non-blocking
  bool is_tcp = true;  // false: a Unix socket, which has no segments to cork
  uint64_t owner = 0;  // 56 bits that go into the user_data of a path's ring operations

  // --- set by the path, read by the connection ---
  Mover mover = Mover::memory;  // of the file part; meaningless before any of it was sent

  // --- state of the path that moves it; meaningless to everyone else ---
  static constexpr unsigned kZeroCopyBuffersMax = 4;
  struct PathState {
    Pipe pipe;                    // holds bytes of the file when in_pipe > 0
    uint64_t in_pipe = 0;         // bytes
    int buffer = -1;              // index in the buffer pool
    uint32_t buffered_bytes = 0;  // of the file in that buffer, not yet sent
    uint32_t buffer_offset = 0;   // where in the buffer they begin
    std::array<int, kZeroCopyBuffersMax> pinned = {-1, -1, -1, -1};  // until their notification
    uint64_t part_bytes = 0;    // of the file, before any of it was sent
    uint64_t warm_until = 0;    // offset in the file up to which its pages are in memory
    int64_t warm_at_ms = 0;     // when that was found out
    uint64_t reading_from = 0;  // offset of the window that is being read in
    DiskQueue::Place place = DiskQueue::Place::outside;
    bool was_cold = false;     // a window of it was not in memory
    bool awaits_read = false;  // nothing can be sent before the read has ended
    int pending_error = 0;     // errno of one half of a linked pair
    bool corked = false;
    bool awaits_notification = false;
    std::vector<iovec> gather;
    msghdr message{};
  } state;
  unsigned in_flight = 0;  // ring operations whose last completion has not come
  bool aborted = false;    // completions were not looked at: what a pipe holds is unknown

 private:
  std::unique_ptr<char[]> arena_;
  size_t used_ = 0;
  std::vector<iovec> slices_;
  size_t first_slice_ = 0;
  std::vector<std::shared_ptr<const void>> kept_;
  FileRange file_;
  uint64_t queued_bytes_ = 0;
  uint64_t memory_sent_bytes_ = 0;
  uint64_t file_sent_bytes_ = 0;
};

}  // namespace ringserve::send
