// What the connections of one worker share, and the limits they keep. Owned by the worker.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "common/net/ring.h"
#include "server/files/site.h"
#include "server/http/reply.h"
#include "server/http/request_parser.h"
#include "server/http/target.h"
#include "server/send/path.h"
#include "server/timers.h"

namespace ringserve {

struct Timeouts {
  int64_t header_ms = 10'000;  // from the first byte of a request to its end
  int64_t idle_ms = 75'000;    // between requests
  int64_t send_ms = 60'000;    // without a byte leaving
};

struct Statistics {
  uint64_t connections = 0;
  uint64_t requests = 0;
  uint64_t sent_bytes = 0;
};

// Objects that a connection needs only while it is busy, so that an idle one owns none.
template <typename T>
class Pool {
 public:
  static constexpr size_t kKeptMax = 256;

  std::unique_ptr<T> take() {
    if (free_.empty()) return std::make_unique<T>();
    auto object = std::move(free_.back());
    free_.pop_back();
    return object;
  }
  void give_back(std::unique_ptr<T> object) {
    object->reset();
    if (free_.size() < kKeptMax) free_.push_back(std::move(object));
  }

 private:
  std::vector<std::unique_ptr<T>> free_;
};

struct Services {
  net::Ring& ring;
  net::BufferRing& receive_buffers;
  TimerWheel& timers;
  files::Site& site;
  send::Path& path;
  http::Preamble& preamble;
  std::vector<uint64_t>& runnable;  // owner_bits() of connections to be given a turn
  std::vector<uint64_t>& to_flush;  // and of those whose replies leave when the turn ends
  Timeouts timeouts;
  bool bodies_from_memory = true;
  uint64_t memory_body_bytes_max = 0;  // longer ones never leave from memory
  bool serve_hidden = false;

  int64_t now_ms = 0;     // CLOCK_MONOTONIC, of this turn of the loop
  bool draining = false;  // no further request on any connection
  Statistics statistics{};
  Pool<http::RequestParser> parsers{};
  Pool<send::Transfer> transfers{};
  Pool<files::Lookup> lookups{};
  http::Target target{};  // scratch
};

}  // namespace ringserve
