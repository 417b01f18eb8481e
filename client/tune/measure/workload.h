// What is done to a server while a parameter has a value, and what is measured meanwhile: the
// metric that counts for the verdict first, then what else is of interest.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "client/tune/measure/arena.h"
#include "client/tune/measure/program.h"

namespace ringtune {

struct Metric {
  std::string name;
  std::string unit;
  bool more_is_better = true;
};

struct Sample {
  std::vector<double> values;  // of the workload's metrics; finite, greater than 0
  CounterValues witnesses;     // the kernel's counters, and what the clients met
};

// Everything a sample needs but its settings. Made once, the same for all.
struct Bench {
  std::string server_program;
  std::string load_program;
  std::string root;  // holds kSmallFile and kLargeFile, or the user's own site
  int server_cpu = -1;
  int client_cpu = -1;
  double seconds = 1;
  unsigned connections = 0;  // 0: the workload's own number
  ArenaOptions arena;
  // Over loopback ringserve takes reno of its own accord: here it takes what the network has,
  // because that is what is tried.
  bool follows_congestion = false;
  std::vector<std::string> command;  // of the workload "command"
};

inline constexpr const char* kCongestion = "net.ipv4.tcp_congestion_control";
inline constexpr const char* kSmallFile = "index.html";
inline constexpr const char* kLargeFile = "large.bin";
inline constexpr size_t kSmallBytes = 1024;
inline constexpr size_t kLargeBytes = size_t{64} << 20;

// A server that is ready, in its arena.
struct Stage {
  const Bench& bench;
  Arena& arena;
  Program& server;
  std::string host_and_port;
};

struct Workload {
  std::string name;
  std::string about;
  unsigned connections;  // the default
  std::vector<Metric> metrics;
  net::Result<Sample> (*run)(Stage&);
  const char* file;  // that it asks for; null: any
};

const std::vector<Workload>& workloads();
// The user's command; `number` as --number: "more", "less", or empty for its duration.
Workload command_workload(const std::string& number);

// A sample with these settings, in a cell. Counters of the kernel are among its witnesses.
net::Result<Sample> take_sample(const Workload& workload, const Bench& bench,
                                const std::vector<Setting>& settings);

// Of the crowd's workloads (crowd.cc).
net::Result<Sample> run_burst(Stage& stage);
net::Result<Sample> run_idle(Stage& stage);
net::Result<Sample> run_slow(Stage& stage);

unsigned connections_of(const Bench& bench, const char* workload);

}  // namespace ringtune
