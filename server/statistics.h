// What one worker counts while it serves; the sum over the workers is what /metrics shows. Written
// by the worker's thread, read by any.
#pragma once

#include <array>
#include <cstddef>

#include "server/counter.h"
#include "server/send/mover.h"

namespace ringserve {

// The classes of timeouts, in the order of timeout_names().
enum class Timeout { header, idle, send, linger };
constexpr size_t kTimeouts = 4;

// Limits of one client, in the order of kLimitKinds.
enum class Limit { connections_per_address, requests_per_connection, request_rate, send_rate };
constexpr size_t kLimits = 4;

struct Statistics {
  static constexpr int kStatusFirst = 100;
  static constexpr size_t kStatuses = 500;  // 100 to 599

  Counter connections;   // accepted
  Counter requests;      // answered
  Counter sent_bytes;    // heads and bodies
  Counter copied_bytes;  // of them, those that passed through user memory
  Counter accept_pauses;
  Counter tls_hellos;  // connections that began with one, and were closed
  Counter cache_hits, cache_misses;
  Counter ring_overflows;  // times that the kernel had to keep completions for us
  Counter disk_errors, truncated_files;
  Counter log_lines_dropped;
  Counter reload_failures;  // this worker kept its old sites
  std::array<Counter, kTimeouts> timeouts;
  std::array<Counter, kLimits> limited;
  std::array<Counter, kStatuses> by_status;
  std::array<Counter, send::kMoverNames.size()> body_bytes_by;  // send::Mover

  // Gauges, brought up to date once a second.
  Counter cached_files, cached_body_bytes;

  void count(Timeout kind) { timeouts[static_cast<size_t>(kind)].add(); }
  void count(Limit kind) { limited[static_cast<size_t>(kind)].add(); }
  void count_status(int status) {
    const auto index = static_cast<size_t>(status - kStatusFirst);
    if (index < kStatuses) by_status[index].add();
  }
};

}  // namespace ringserve
