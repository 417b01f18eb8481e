// The words of the command line before they are understood together: what CLI11 found.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/load/plan.h"
#include "common/net/result.h"

namespace ringload {

struct RawOptions {
  std::vector<std::string> urls;
  unsigned connections = 10;
  unsigned threads = 1;
  unsigned pipeline = 1;
  std::optional<double> duration_s;
  uint64_t requests = 0;
  double warmup_s = 0;
  double timeout_s = 10;
  double rate_per_s = 0;
  std::vector<std::string> ramps;
  bool new_connection = false;
  unsigned requests_per_connection = 0;
  CloseBy close_by = CloseBy::client;
  std::vector<std::string> sources;
  std::string body = "discard";
  std::string paths_file;
  std::string popularity;
  uint64_t seed = 1;
  std::vector<std::string> headers;
  std::string method = "GET";
  std::string http_version = "1.1";
  bool until_exhausted = false;
  std::vector<std::string> stop_on;
  std::vector<std::string> fail_if;
  std::vector<pid_t> server_pids;
  OutputFiles files;
  LiveMode live = LiveMode::automatic;
  bool quiet = false;
};

// An error of the command line.
tl::unexpected<net::Error> mistake(std::string what, std::string advice = {});

// Seconds from "250ms", "10s", "2m", "1h" or a number of seconds.
net::Result<double> parse_time_s(const std::string& text);
// --ramp: "FROM:TO:TIME".
net::Result<Stage> parse_ramp(const std::string& text);
// "127.0.0.1", "10.0.0.0/28", "fd00::/120": the addresses, without those of network and broadcast.
net::Result<std::vector<net::Address>> parse_source(const std::string& text);
net::Result<std::vector<Condition>> parse_conditions(const std::vector<std::string>& texts,
                                                     ConditionUse use);

// Checks what only makes sense together, reads --paths, resolves names. Every error is a mistake
// on the command line.
net::Result<Plan> make_plan(const RawOptions& raw);

}  // namespace ringload
