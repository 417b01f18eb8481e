// One connection slot: asked for by --connections, and there until the end of the run whatever
// becomes of the socket in it. Plain state; the Worker acts on it.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "client/load/engine/response_parser.h"
#include "common/check.h"
#include "common/net/owned_fd.h"

namespace ringload {

constexpr uint64_t kBodyNotBegun = UINT64_MAX;

struct PendingRequest {
  int64_t from_ns = 0;   // latency counts from here: planned (open loop), begun (closed loop)
  int64_t sent_ns = 0;   // the timeout counts from here
  uint32_t request = 0;  // index in the target's RequestSet
  bool last = false;     // the connection ends with its answer
};

// Requests taken by a connection and not answered, in order; `unsent` of them, the last, have not
// been handed to the kernel completely. As many as --pipeline allows.
class PendingQueue {
 public:
  explicit PendingQueue(unsigned limit) : ring_(limit) {}

  unsigned size() const { return size_; }
  bool full() const { return size_ == ring_.size(); }
  bool empty() const { return size_ == 0; }
  PendingRequest& at(unsigned index) { return ring_[(first_ + index) % ring_.size()]; }
  PendingRequest& front() { return at(0); }
  void push(const PendingRequest& request) {
    CHECK(!full());
    ring_[(first_ + size_++) % ring_.size()] = request;
  }
  void pop() {
    CHECK(!empty());
    first_ = (first_ + 1) % static_cast<unsigned>(ring_.size());
    --size_;
  }
  void clear() { first_ = size_ = 0; }

 private:
  std::vector<PendingRequest> ring_;
  unsigned first_ = 0;
  unsigned size_ = 0;
};

struct Connection {
  enum class State : uint8_t {
    down,        // no socket
    connecting,  // IORING_OP_CONNECT under way
    open,
    ending,  // all was answered; the server's end of file is awaited
  };

  Connection(uint32_t slot_given, uint32_t target_given, unsigned pipeline)
      : slot(slot_given), target(target_given), pending(pipeline) {}

  const uint32_t slot;
  const uint32_t target;
  uint32_t generation = 1;  // changes with every socket, so that late completions find nobody
  net::OwnedFd fd;
  State state = State::down;

  bool receiving = false;      // an operation is under way that will complete with input
  bool awaiting_room = false;  // and one that will complete when the socket takes more
  bool available = false;      // in the worker's list of those that can take a request
  bool retry_planned = false;  // in the worker's list of retries, or in the port gate
  bool closing = false;        // no further request on this socket
  bool server_closes = false;  // it said so, or was asked to

  uint32_t taken = 0;     // requests, on this socket
  uint32_t answered = 0;  // of them
  PendingQueue pending;
  unsigned unsent = 0;
  size_t unsent_offset = 0;  // bytes of the first unsent request that have been sent

  ResponseParser parser;
  ResponseHead head;      // of the response under way
  bool in_body = false;   // with Content-Length
  bool mismatch = false;  // a byte was not as expected
  uint64_t body_left = 0;
  uint64_t body_offset = kBodyNotBegun;  // in the expected file
  int low_water_bytes = 1;               // SO_RCVLOWAT as it is set

  int64_t state_since_ns = 0;  // connecting and ending have their timeouts from here
  int64_t lost_since_ns = 0;   // without a connection because of a failure; 0: not so
  unsigned failures = 0;       // in a row
};

}  // namespace ringload
