// Who may read from the disk now: so many transfers of a worker at a time, the others in line,
// first come first served. A transfer gets one window for each time it was in line, so that a large
// file takes turns with the small ones. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace ringserve::send {

class DiskQueue {
 public:
  enum class Place : uint8_t { outside, waiting, reading };

  // Owners whose turn has come are put into `runnable`.
  DiskQueue(unsigned readers_max, std::vector<uint64_t>& runnable)
      : readers_max_(readers_max), runnable_(runnable) {}

  // True: the owner may read, until it leaves. False: it is in line; to be asked again when it was
  // made runnable. `place` is the owner's own, kept from call to call.
  bool enter(uint64_t owner, Place& place);
  // Whatever its place was, the owner has none any more. The next in line gets what it had.
  void leave(uint64_t owner, Place& place);
  // Whether one more may read that nobody waits for yet.
  bool has_room() const { return readers_ < readers_max_ && waiting_.empty(); }

  unsigned readers() const { return readers_; }
  size_t waiting() const { return waiting_.size(); }

 private:
  std::deque<uint64_t>::iterator find(uint64_t owner);

  unsigned readers_max_;
  unsigned readers_ = 0;  // those made runnable count already
  std::deque<uint64_t> waiting_;
  std::vector<uint64_t>& runnable_;
};

}  // namespace ringserve::send
