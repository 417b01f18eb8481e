// What a run found out, as plain data. The engine and the socket tracker fill it in, the reports
// and `ringload merge` read it. Times are seconds from the start of the measured part (the warm-up
// is negative), latencies nanoseconds.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "client/load/sockets/socket_sample.h"
#include "common/measure/histogram.h"

namespace ringload {

// Phase, then errno's name ("ECONNREFUSED") or what else went wrong ("SHORT", "404", an
// llhttp error name), then how often. The phases: socket, bind (to --source), connect, send, recv,
// parse, status, body, timeout, close.
using ErrorCounts = std::map<std::string, std::map<std::string, uint64_t>>;

inline uint64_t total_of(const ErrorCounts& errors) {
  uint64_t total = 0;
  for (const auto& [phase, names] : errors) {
    for (const auto& [name, count] : names) total += count;
  }
  return total;
}

enum class BodyMode { discard, copy, verify };
enum class CloseBy { client, server, reset };

// What was asked for, for the reports' first lines.
struct RunFacts {
  std::string version;  // of ringload
  std::string command_line;
  std::string kernel;       // uname -r
  std::string host;         // uname -n
  double started_at_s = 0;  // Unix time of the start of the measured part
  std::vector<std::string> urls;
  unsigned connections = 0;
  unsigned threads = 0;
  unsigned pipeline = 1;
  bool open_loop = false;
  double rate_per_s = 0;         // open loop: what was asked for, the mean where it is ramped
  double duration_wanted_s = 0;  // 0: until the requests are done
  uint64_t requests_wanted = 0;  // 0: until the time is over
  double warmup_s = 0;
  double timeout_s = 0;
  bool new_connection = false;
  unsigned requests_per_connection = 0;  // 0: no limit
  CloseBy close_by = CloseBy::client;
  BodyMode body = BodyMode::discard;
};

struct Percentiles {  // of one second; all 0 when nothing was answered
  uint64_t p50_ns = 0;
  uint64_t p90_ns = 0;
  uint64_t p99_ns = 0;
  uint64_t p999_ns = 0;
  uint64_t max_ns = 0;
};

Percentiles percentiles_of(const measure::Histogram& latency_ns);

// One row a second; the last may be shorter.
struct SecondRow {
  double at_s = 0;      // its end
  double length_s = 1;  // > 0
  bool warmup = false;
  uint64_t requests = 0;  // answered well
  uint64_t bytes = 0;     // received, heads and bodies
  uint64_t errors = 0;
  uint64_t connections_opened = 0;
  uint64_t connected = 0;         // slots with a connection at its end
  double lost = 0;                // slots missing through failures, on average
  double planned_rate_per_s = 0;  // open loop: due in this second; closed loop: 0
  Percentiles latency;
  double client_cpu_s = 0;
  std::optional<double> server_cpu_s;
  SocketSample sockets;
};

struct ConnectionCounts {
  uint64_t asked = 0;   // --connections
  uint64_t opened = 0;  // connect() succeeded
  uint64_t failed = 0;  // connect() did not
  uint64_t reused = 0;  // requests sent on a connection that had already answered one
  double lost = 0;      // of those asked for, how many were missing through failures, on average
};

// The first EADDRNOTAVAIL, if any.
struct Exhaustion {
  double at_s = 0;
  uint64_t failures = 0;  // connect attempts that found no port, until the end
  double down_s = 0;      // seconds in which some attempt found none
  // Foretold before it came: the last prediction made at least a second ahead, if there was one.
  std::optional<double> predicted_at_s;
  SocketSample at;    // the sockets as they were then
  Forecast forecast;  // its arithmetic
};

struct Outcome {
  RunFacts facts;

  double duration_s = 0;  // the measured part, without warm-up and without the wait at the end
  // Complete responses with a status below 400 (and a body as the file, where it is verified)
  // within the measured part; the latencies hold them and those of answered_late.
  uint64_t requests = 0;
  uint64_t answered_late = 0;  // begun in time, answered after the end
  uint64_t bytes = 0;          // received in the measured part
  uint64_t unanswered = 0;     // begun, and given up at the end without an answer
  uint64_t unsent = 0;         // open loop: due, and never sent for want of a free connection
  measure::Histogram latency_ns;
  measure::Histogram schedule_error_ns;  // open loop: how late the generator itself was
  ErrorCounts errors;
  std::map<unsigned, uint64_t> statuses;  // of all complete responses
  ConnectionCounts connections;

  double client_cpu_s = 0;
  double busiest_thread_share = 0;     // CPU time by wall time, of the busiest thread; 0 to 1
  std::optional<double> server_cpu_s;  // of --server-pid and its descendants

  std::vector<SecondRow> seconds;
  SocketSummary sockets;
  std::optional<Exhaustion> exhaustion;

  std::string
      end_reason;  // "the duration is over", "interrupted", "--stop-on p99>5ms: 7.2 ms", ...
  std::vector<std::string> failed_conditions;  // --fail-if and --stop-on: "p99>5ms: p99 is 7.2 ms"
  std::vector<std::string> merged_from;        // files, after `ringload merge`
};

}  // namespace ringload
