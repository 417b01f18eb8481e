// What measure and search have in common: the options of the experiment, the site that is served,
// the CPUs, the programs, and the host's values for the networks.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "client/tune/measure/settings.h"
#include "client/tune/measure/workload.h"

namespace ringtune {

struct SetupOptions {
  std::string workload;
  std::vector<std::string> command;
  std::string number;
  double seconds = 1;
  unsigned connections = 0;
  std::string root;
  std::vector<std::string> with;
  bool fresh = false;
  bool veth = false;
  double rtt_ms = 0;
  std::string rate;
  double loss_percent = 0;
  unsigned queue_packets = 1000;
  uint64_t seed = 1;
};

void add_setup_options(CLI::App& app, SetupOptions& options);
// The user's own command, after `--`.
void add_command_options(CLI::App& app, SetupOptions& options);

// "100M", "1Gbit", "64k": bits a second.
net::Result<double> parse_rate(const std::string& text);

// A directory with the files of the workloads; removed with the object.
class Site {
 public:
  static net::Result<std::unique_ptr<Site>> make();
  ~Site();
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;
  const std::string& path() const { return path_; }

 private:
  explicit Site(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

struct Setup {
  Workload workload;
  Bench bench;
  std::unique_ptr<Site> site;     // empty when the user gave a root
  Surroundings surroundings;      // `with` is among its settings, at the end
  std::vector<std::string> with;  // as given
  std::string wiring;             // as people read it
};

// Errors: a mistake in the options, a program that is not there, a network that may not be made.
net::Result<Setup> prepare(const SetupOptions& options);

// Refuses what this kernel does not have, with the name that was probably meant.
net::Status check_name(const std::string& name);

// Refuses names that are not there, with the one that was probably meant, and values that the
// kernel does not take; returns the present values.
net::Result<std::vector<std::string>> check_trials(const Setup& setup,
                                                   const std::vector<Trial>& trials);

// A line on a terminal that says how far it is; nothing elsewhere.
void show_progress(size_t done, size_t all, std::optional<double> left_s);

}  // namespace ringtune
