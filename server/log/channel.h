// One worker's way to the access log: a line is made in memory that the writer's thread will write
// from. Never waits, never allocates; what finds no room is dropped and counted.
#pragma once

#include <cstdint>

#include "server/counter.h"
#include "server/log/block_queue.h"
#include "server/log/line_formatter.h"
#include "server/log/record.h"

namespace ringserve::log {

class Channel {
 public:
  // `wake_fd`: an eventfd that the writer's thread waits for; it outlives the channel.
  Channel(Format format, int wake_fd) : formatter_(format), wake_fd_(wake_fd) {}

  // Both from one thread only.
  void write(const Record& record);
  // Hands over what was written so far; called once per turn of the loop, cheap when there is
  // nothing. The file has it a quarter of a second later, or as soon as a block is full.
  void flush();

  uint64_t dropped() const { return dropped_.get(); }  // lines so far; any thread

  BlockQueue& queue() { return queue_; }  // for the writer's thread, the reading side of it

 private:
  LineFormatter formatter_;
  const int wake_fd_;
  Counter dropped_;
  BlockQueue queue_;
};

}  // namespace ringserve::log
