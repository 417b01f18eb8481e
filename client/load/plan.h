// What a run is to do: the command line after it has been checked, names resolved. Read-only once
// the run has begun; every worker reads the same plan.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/load/condition.h"
#include "client/load/engine/schedule.h"
#include "client/load/outcome.h"
#include "client/load/report/live.h"
#include "common/net/address.h"

namespace ringload {

struct Target {
  net::Address address;
  std::string host_header;
  std::string text;                // for messages: the URL up to the path
  std::vector<std::string> paths;  // requested there; at least one
};

struct OutputFiles {
  std::string json;
  std::string csv;
  std::string hgrm;
  std::string html;
};

struct Plan {
  std::vector<std::string> urls;
  std::vector<Target> targets;        // connections are spread over them evenly
  std::vector<net::Address> sources;  // port 0; empty: the kernel's choice

  unsigned connections = 10;
  unsigned threads = 1;
  unsigned pipeline = 1;
  double warmup_s = 0;
  double duration_s = 10;                 // 0: until the requests are done
  uint64_t requests = 0;                  // 0: until the time is over
  double timeout_s = 10;                  // for connecting, for an answer, for the server's close
  std::vector<Stage> rate;                // requests a second; empty: closed loop
  std::vector<Stage> ramped_connections;  // empty: all of them, all the time

  unsigned requests_per_connection = 0;  // 0: no limit; 1: --new-connection
  CloseBy close_by = CloseBy::client;
  BodyMode body = BodyMode::discard;
  std::string verify_directory;

  std::string method = "GET";
  std::vector<std::string> headers;  // "Name: value"
  int http_minor = 1;
  std::optional<double> zipf_exponent;  // empty: all paths alike
  uint64_t seed = 1;

  bool until_exhausted = false;
  std::vector<Condition> stop_on;
  std::vector<Condition> fail_if;
  std::vector<pid_t> server_pids;
  OutputFiles files;
  LiveMode live = LiveMode::automatic;
  bool quiet = false;
  std::string command_line;

  bool open_loop() const { return !rate.empty(); }
};

}  // namespace ringload
