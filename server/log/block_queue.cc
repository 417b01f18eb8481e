// The maker owns the block `filling_`, and the writer reads those from `emptying_` on, as far as
// `published` says. A block goes back to the maker when `emptied_` has passed it.
#include "server/log/block_queue.h"

#include <utility>

namespace ringserve::log {

BlockQueue::BlockQueue() {
  // Not set to zeros: memory that no line ever needs is never touched.
  for (Block& each : blocks_) each.bytes = std::make_unique_for_overwrite<char[]>(kBlockBytes);
}

char* BlockQueue::reserve(size_t bytes_max) {
  if (bytes_max > kBlockBytes - used_) {
    if (bytes_max > kBlockBytes || !begin_next_block()) return nullptr;
  }
  return block(filling_).bytes.get() + used_;
}

bool BlockQueue::begin_next_block() {
  // The oldest block may still be the writer's.
  if (filling_ + 1 - emptied_.load(std::memory_order_acquire) >= kBlocks) return false;
  block(filling_).published.store(used_ << 1 | 1, std::memory_order_release);
  ++filling_;
  used_ = published_ = 0;
  block_completed_ = true;
  return true;
}

bool BlockQueue::publish() {
  if (published_ != used_) {
    published_ = used_;
    block(filling_).published.store(used_ << 1, std::memory_order_release);
  }
  return std::exchange(block_completed_, false);
}

std::string_view BlockQueue::readable() {
  while (true) {
    Block& now = block(emptying_);
    const uint32_t published = now.published.load(std::memory_order_acquire);
    const uint32_t bytes = published >> 1;
    if (consumed_ < bytes) return {now.bytes.get() + consumed_, bytes - consumed_};
    if ((published & 1) == 0) return {};
    now.published.store(0, std::memory_order_relaxed);
    consumed_ = 0;
    emptied_.store(++emptying_, std::memory_order_release);
  }
}

}  // namespace ringserve::log
