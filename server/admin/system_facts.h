// What the operating system says of this process and of its ports: the part of a Snapshot that no
// worker counts. Each fact has a bounded cost, whatever the number of sockets and descriptors.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "common/net/address.h"
#include "common/net/owned_fd.h"
#include "common/net/sock_diag.h"
#include "common/net/tcp_counters.h"
#include "server/admin/snapshot.h"

namespace ringserve::admin {

// The descriptors of this process, counted name by name; `directory_fd` is open on /proc/self/fd.
// Takes about a microsecond for each of them.
net::Result<uint64_t> count_descriptors(int directory_fd);

// Of one thread. What cannot be had is left at the Snapshot's "not known" and said once in the log.
class SystemFacts {
 public:
  // `listening`: the addresses of the server's listeners, as bound; Unix sockets are passed over.
  explicit SystemFacts(const std::vector<net::Address>& listening);

  // Fills in CPU, memory and descriptors of the process, TIME_WAIT at the listeners' ports and the
  // losses of listeners in the network namespace.
  void fill(Snapshot& snapshot);

  // A dump of sockets takes its time where there are many, so at least so long lies between two,
  // and at least kDumpPauseFactor times what the last one took: one percent of a core.
  static constexpr int64_t kDumpInterval_ms = 1000;
  static constexpr int64_t kDumpPauseFactor = 100;
  // Between two counts of the names in /proc/self/fd, on kernels that do not keep the number.
  static constexpr int64_t kCountInterval_ms = 5000;

 private:
  void fill_memory(Snapshot& snapshot);
  void fill_descriptors(Snapshot& snapshot);
  void fill_listeners(Snapshot& snapshot);
  void look_at_time_wait();
  net::Result<int64_t> count_time_wait();

  std::vector<net::Endpoint> ports_v4_, ports_v6_;
  net::OwnedFd statm_, descriptors_;
  std::unique_ptr<net::SockDiag> sock_diag_;         // null: not to be had, or no ports
  std::unique_ptr<net::TcpCounterReader> counters_;  // null: not to be had
  int64_t time_wait_ = -1;
  int64_t next_dump_ns_ = 0;   // CLOCK_MONOTONIC
  int64_t next_count_ns_ = 0;  // likewise
  uint64_t counted_ = 0;       // descriptors, when they were last counted
  bool memory_told_ = false, descriptors_told_ = false, dump_told_ = false, counters_told_ = false;
};

}  // namespace ringserve::admin
