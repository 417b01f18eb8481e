// An owner that left the line on its way to the front was made runnable: its reader's place is kept
// for it until it comes or leaves, so none is ever lost.
#include "server/send/disk_queue.h"

#include <algorithm>

#include "common/check.h"

namespace ringserve::send {

std::deque<uint64_t>::iterator DiskQueue::find(uint64_t owner) {
  return std::find(waiting_.begin(), waiting_.end(), owner);
}

bool DiskQueue::enter(uint64_t owner, Place& place) {
  CHECK(place != Place::reading);
  if (place == Place::outside) {
    if (!has_room()) {
      place = Place::waiting;
      waiting_.push_back(owner);
      return false;
    }
    ++readers_;
  } else if (find(owner) != waiting_.end()) {
    return false;  // it runs for another reason
  }
  place = Place::reading;
  return true;
}

void DiskQueue::leave(uint64_t owner, Place& place) {
  if (place == Place::outside) return;
  const auto in_line = place == Place::waiting ? find(owner) : waiting_.end();
  place = Place::outside;
  if (in_line != waiting_.end()) {
    waiting_.erase(in_line);
    return;
  }
  CHECK(readers_ > 0);
  if (waiting_.empty()) {
    --readers_;
    return;
  }
  runnable_.push_back(waiting_.front());
  waiting_.pop_front();
}

}  // namespace ringserve::send
