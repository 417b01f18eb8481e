// Neighbouring pieces of the arena form one slice, so that a head and its small body, or a whole
// batch of pipelined replies, leave in one send(2).
#include "server/send/transfer.h"

#include <cstring>

namespace ringserve::send {

void Transfer::commit(size_t bytes) {
  CHECK(used_ + bytes <= kArenaBytes);
  char* begin = arena_.get() + used_;
  used_ += bytes;
  queued_bytes_ += bytes;
  if (!slices_.empty()) {
    iovec& last = slices_.back();
    if (static_cast<char*>(last.iov_base) + last.iov_len == begin) {
      last.iov_len += bytes;
      return;
    }
  }
  slices_.push_back({begin, bytes});
}

void Transfer::add_copy(std::string_view text) {
  if (text.size() > kArenaBytes - used_) {
    auto copy = std::make_shared<std::string>(text);
    slices_.push_back({copy->data(), copy->size()});
    kept_.push_back(std::move(copy));
    queued_bytes_ += text.size();
    return;
  }
  std::memcpy(free_space(), text.data(), text.size());
  commit(text.size());
}

bool Transfer::add_warm_file(const FileRange& range) {
  if (range.length > kWarmFileBytesMax || range.length > kArenaBytes - used_) return false;
  iovec part{free_space(), range.length};
  const ssize_t got = ::preadv2(range.fd, &part, 1, static_cast<off_t>(range.offset), RWF_NOWAIT);
  if (got != static_cast<ssize_t>(range.length)) return false;
  commit(range.length);
  return true;
}

void Transfer::memory_sent(size_t bytes) {
  memory_sent_bytes_ += bytes;
  while (bytes > 0) {
    CHECK(first_slice_ < slices_.size());
    iovec& slice = slices_[first_slice_];
    if (bytes < slice.iov_len) {
      slice.iov_base = static_cast<char*>(slice.iov_base) + bytes;
      slice.iov_len -= bytes;
      return;
    }
    bytes -= slice.iov_len;
    ++first_slice_;
  }
}

void Transfer::reset() {
  CHECK(in_flight == 0 && state.in_pipe == 0 && state.buffer < 0);
  used_ = 0;
  first_slice_ = 0;
  slices_.clear();
  kept_.clear();
  queued_bytes_ = memory_sent_bytes_ = file_sent_bytes_ = 0;
  aborted = false;
  if (file_.fd < 0) return;  // what comes is of a file's part only
  file_ = {};
  mover = Mover::memory;
  state = {};
}

}  // namespace ringserve::send
