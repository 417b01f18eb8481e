// The counters of all workers together, as the administrator's side and the last line of the log
// say them.
#pragma once

#include <array>
#include <string>

#include "server/admin/snapshot.h"
#include "server/send/path.h"
#include "server/statistics.h"

namespace ringserve {

class Totals {
 public:
  void add(const Statistics& part, const send::Counters& path);
  // A snapshot with all that workers count; the rest of it is untouched.
  admin::Snapshot snapshot() const;

 private:
  admin::Snapshot sum_;
  std::array<uint64_t, Statistics::kStatuses> by_status_{};
  std::array<uint64_t, send::kMoverNames.size()> by_mover_{};
};

// "served 3 requests on 2 connections, 4711 bytes", and what an administrator should know besides.
std::string summary_of(const admin::Snapshot& total);

}  // namespace ringserve
