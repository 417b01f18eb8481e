// A process of its own for one sample: in a fresh user namespace, so that it is root of nothing
// but its own networks, with the machine's parameters read-only even for who is root outside, and
// single-threaded when it begins, which unshare(2) asks for. What it finds out comes back as JSON;
// whatever it started ends with it.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>

#include "common/net/result.h"

namespace ringtune {

// While it is there, SIGINT, SIGTERM and SIGHUP do not end the process: they end the cell that
// runs, whose Error then is EINTR, and are remembered. One at a time, made by the process's only
// thread.
class InterruptWatch {
 public:
  InterruptWatch();
  ~InterruptWatch();
  InterruptWatch(const InterruptWatch&) = delete;
  InterruptWatch& operator=(const InterruptWatch&) = delete;

  static bool was_interrupted();
};

using CellWork = std::function<net::Result<nlohmann::json>()>;

// Errors: those of the work; ETIMEDOUT when it takes longer; EINTR; what forbids user namespaces.
net::Result<nlohmann::json> run_in_cell(const CellWork& work, double limit_s);

}  // namespace ringtune
