// The server's numbers at one moment, all workers together: what /metrics and /status say. Plain
// data; counters only grow while the server runs.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "server/statistics.h"

namespace ringserve::admin {

struct Snapshot {
  std::string version, send_path;
  double uptime_s = 0;
  bool draining = false;
  unsigned threads = 0;
  unsigned sites = 0;
  uint64_t config_reloads = 0, config_reload_failures = 0;

  // Counters.
  uint64_t connections_total = 0, requests = 0, sent_bytes = 0, copied_bytes = 0;
  uint64_t accept_pauses = 0, tls_hellos = 0, cache_hits = 0, cache_misses = 0, cold_reads = 0;
  uint64_t ring_overflows = 0, log_lines_dropped = 0, disk_errors = 0, truncated_files = 0;
  std::array<uint64_t, kTimeouts> timeouts{};             // by Timeout
  std::array<uint64_t, kLimits> limited{};                // by Limit
  std::vector<std::pair<int, uint64_t>> by_status;        // those that occurred, ascending
  std::vector<std::pair<std::string, uint64_t>> by_path;  // bytes of bodies by what moved them
  uint64_t zero_copy_sends = 0, zero_copy_copied = 0;     // IORING_OP_SEND_ZC
  double cpu_user_s = 0, cpu_system_s = 0;

  // Gauges.
  uint64_t connections_open = 0, connections_max = 0;
  uint64_t client_addresses = 0;  // remembered for the limits of addresses
  uint64_t cached_files = 0, cached_body_bytes = 0;
  uint64_t descriptors_open = 0, descriptors_max = 0;
  uint64_t rss_bytes = 0;

  // The kernel's; negative: it does not say here.
  int64_t time_wait_ours = -1;                       // sockets in TIME_WAIT at our listeners' ports
  int64_t listen_overflows = -1, listen_drops = -1;  // of the network namespace, since its start
};

}  // namespace ringserve::admin
