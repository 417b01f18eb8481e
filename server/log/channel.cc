// Made where they will be written from: a line is copied once, from the request into the block.
#include "server/log/channel.h"

#include <sys/eventfd.h>

#include "common/check.h"
#include "server/http/limits.h"
#include "server/log/escape.h"

namespace ringserve::log {

// No request that the parser lets through is too long for the log, were all its bytes escaped.
static_assert(BlockQueue::kBlockBytes >= (http::kHeadBytesMax + 4096) * kEscapedBytesMax);

void Channel::write(const Record& record) {
  char* const begin = queue_.reserve(LineFormatter::bytes_max(record));
  if (begin == nullptr) return dropped_.add();
  queue_.commit(static_cast<size_t>(formatter_.write(record, begin) - begin));
}

void Channel::flush() {
  if (!queue_.publish()) return;
  // Fails only where the counter is at its end, and then there is a wake-up under way.
  (void)::eventfd_write(wake_fd_, 1);
}

}  // namespace ringserve::log
