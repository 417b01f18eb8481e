// What was seen of the kernel's sockets, and what follows from it, as plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ringload {

// What decides how many connections can be opened per second: read once, at the start.
struct PortFacts {
  bool tcp = true;           // false for Unix sockets: nothing below applies
  unsigned range_first = 0;  // net.ipv4.ip_local_port_range
  unsigned range_last = 0;
  unsigned reserved = 0;              // of the range, by net.ipv4.ip_local_reserved_ports
  unsigned bound = 0;                 // of the range, held by listeners and bound sockets
  unsigned sources = 1;               // addresses the connections come from
  unsigned destinations = 1;          // distinct address:port
  int tw_reuse = 0;                   // net.ipv4.tcp_tw_reuse: 0, 1, 2 (loopback only)
  unsigned tw_reuse_delay_ms = 1000;  // net.ipv4.tcp_tw_reuse_delay; 1000 before Linux 6.14
  bool timestamps = true;             // net.ipv4.tcp_timestamps: without them no reuse
  bool loopback = false;        // source or destination is 127.0.0.0/8 or ::1, as the kernel asks
  unsigned tw_buckets_max = 0;  // net.ipv4.tcp_max_tw_buckets
  bool closes_first = true;     // this side closes first, and so its ports are in TIME_WAIT
};

// The arithmetic of PortFacts.
struct Forecast {
  uint64_t ports_total = 0;         // pairs of source address and port, to all destinations
  bool time_wait_reusable = false;  // tcp_tw_reuse applies to these connections
  double hold_s = 60;               // how long a closed connection keeps its port
  double sustainable_per_s = 0;     // new connections a second, for ever: ports_total / hold_s
};

// One look. Counts marked "all" are of this network namespace; the others of connections to the
// targets of the run.
struct SocketSample {
  bool valid = false;                        // false: not looked (Unix sockets, or --quiet merges)
  uint64_t time_wait = 0;                    // ours: this side closed first
  std::optional<uint64_t> time_wait_server;  // on the server's side, if it is in this namespace
  uint64_t time_wait_all = 0;  // sockstat "tw"; orphans in FIN_WAIT2 included, as there
  uint64_t established = 0;    // ours
  uint64_t ports_free = 0;     // to the targets, over all sources
  double next_free_in_s = 0;   // until the next TIME_WAIT gives its port back; 0: none held
  std::optional<double> exhausted_in_s;  // at the present rate; none: it does not come
  // Since the start of the run, of the whole namespace.
  uint64_t listen_overflows = 0;
  uint64_t listen_drops = 0;
  uint64_t time_wait_overflow = 0;
  uint64_t time_wait_recycled = 0;  // connections that took over a port in TIME_WAIT
  uint64_t retransmits = 0;
};

struct SourceUse {  // per source address, at the end
  std::string address;
  uint64_t in_use = 0;  // ports, any state but TIME_WAIT
  uint64_t time_wait = 0;
  uint64_t free = 0;
};

struct SocketSummary {
  PortFacts facts;
  Forecast forecast;
  bool server_is_here = false;   // the target listens in this network namespace
  uint64_t time_wait_start = 0;  // ours, to the targets
  uint64_t time_wait_peak = 0;
  uint64_t time_wait_end = 0;
  std::optional<uint64_t> time_wait_server_peak;
  uint64_t time_wait_all_peak = 0;
  uint64_t ports_total = 0;
  uint64_t ports_free_min = 0;
  SocketSample last;
  std::vector<SourceUse> sources;
  std::string trouble;    // the last look that failed, as a message; empty: none did
  double cost_cpu_s = 0;  // what the looking cost
  uint64_t looks = 0;     // at the counters
  uint64_t dumps = 0;     // of the sockets, by sock_diag
};

}  // namespace ringload
