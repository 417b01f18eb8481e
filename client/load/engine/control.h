// What the workers and the coordinator of a run share: times, the budget of requests, the wish to
// stop. Everything that changes is atomic; times are CLOCK_MONOTONIC.
#pragma once

#include <atomic>
#include <cstdint>

#include "common/net/owned_fd.h"

namespace ringload {

constexpr int64_t kNever = INT64_MAX;

struct Control {
  int64_t begin_ns = 0;          // of the warm-up
  int64_t measured_from_ns = 0;  // its end
  int64_t row_ns = 1'000'000'000;

  // No request is begun after end_ns; those that are under way are awaited until give_up_ns.
  std::atomic<int64_t> end_ns{kNever};
  std::atomic<int64_t> give_up_ns{kNever};
  // Requests that may still be begun (--requests); not counted down without a limit.
  std::atomic<int64_t> budget{INT64_MAX};

  // The first connect() that found no port, and how many have in all.
  std::atomic<int64_t> exhausted_ns{kNever};
  // Workers of which no connection was ever opened though each was tried; the errno of the first.
  std::atomic<unsigned> hopeless_workers{0};
  std::atomic<int> first_connect_errno{0};

  net::OwnedFd coordinator_wake;  // an eventfd: an interval was handed over, or ports ran out
};

}  // namespace ringload
