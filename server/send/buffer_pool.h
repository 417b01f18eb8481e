// Buffers registered with the ring, for paths that read a file into memory before they send it.
// Registered memory is pinned once (io_uring_register_buffers(3)), not at every operation.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "common/net/result.h"
#include "common/net/ring.h"

namespace ringserve::send {

class BufferPool {
 public:
  // Registration may be refused (RLIMIT_MEMLOCK); the pool then works with plain memory.
  static net::Result<std::unique_ptr<BufferPool>> create(net::Ring& ring, unsigned count,
                                                         uint32_t size_bytes);
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  int take();  // an index, or -1 if all are in use
  void give_back(int index);
  char* at(int index) const { return memory_ + static_cast<size_t>(index) * size_bytes_; }
  uint32_t size_bytes() const { return size_bytes_; }
  // Fills in a read of the file into buffer `index`.
  void prepare_read(io_uring_sqe* sqe, int fd, int index, unsigned bytes, uint64_t offset) const;
  bool registered() const { return registered_; }

 private:
  BufferPool() = default;
  char* memory_ = nullptr;
  size_t memory_bytes_ = 0;
  uint32_t size_bytes_ = 0;
  bool registered_ = false;
  std::vector<int> free_;
};

}  // namespace ringserve::send
