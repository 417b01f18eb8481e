// One mapping, cut into equal buffers.
#include "server/send/buffer_pool.h"

#include <sys/mman.h>

#include "common/check.h"

namespace ringserve::send {

net::Result<std::unique_ptr<BufferPool>> BufferPool::create(net::Ring& ring, unsigned count,
                                                            uint32_t size_bytes) {
  std::unique_ptr<BufferPool> pool(new BufferPool);
  pool->memory_bytes_ = size_t{count} * size_bytes;
  pool->size_bytes_ = size_bytes;
  void* memory = ::mmap(nullptr, pool->memory_bytes_, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return net::fail("mmap of the send buffers", errno);
  pool->memory_ = static_cast<char*>(memory);
  std::vector<iovec> parts;
  for (unsigned i = 0; i < count; ++i) {
    parts.push_back({pool->at(static_cast<int>(i)), size_bytes});
    pool->free_.push_back(static_cast<int>(count - 1 - i));
  }
  pool->registered_ = io_uring_register_buffers(ring.raw(), parts.data(), count) == 0;
  return pool;
}

BufferPool::~BufferPool() {
  if (memory_ != nullptr) ::munmap(memory_, memory_bytes_);
}

void BufferPool::prepare_read(io_uring_sqe* sqe, int fd, int index, unsigned bytes,
                              uint64_t offset) const {
  if (registered_) {
    io_uring_prep_read_fixed(sqe, fd, at(index), bytes, offset, index);
  } else {
    io_uring_prep_read(sqe, fd, at(index), bytes, offset);
  }
}

int BufferPool::take() {
  if (free_.empty()) return -1;
  const int index = free_.back();
  free_.pop_back();
  return index;
}

void BufferPool::give_back(int index) {
  CHECK(index >= 0);
  free_.push_back(index);
}

}  // namespace ringserve::send
