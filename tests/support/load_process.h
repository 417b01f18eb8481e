// The real ringload, started with --json, and what it made of the run: exit status, what it
// printed, and the figures. The figures of every run are held against each other.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/temp_tree.h"

namespace support {

std::string ringload_binary();

struct LoadRun {
  ExitStatus status;
  std::string out;
  std::string err;
  nlohmann::json json;  // null when there was no run

  // A number by its path, "connections.opened"; throws when it is not there.
  double number(const std::string& path) const;
  std::uint64_t count(const std::string& path) const;
  // How often; 0 when it is not listed.
  std::uint64_t errors(const std::string& phase, const std::string& name) const;
  std::uint64_t errors(const std::string& phase) const;  // all names
  std::uint64_t status_count(int code) const;
  std::uint64_t ended() const;  // requests and answered_late

  // The histogram: the lower bounds of its buckets that are not empty, and their counts.
  struct Bucket {
    double from_ms = 0;
    std::uint64_t count = 0;
  };
  std::vector<Bucket> latencies() const;
  std::uint64_t latencies_between_ms(double from_ms, double to_ms) const;

  // The rows of the measured part (without warm-up) that end in (from_s, to_s].
  std::uint64_t sum_of_seconds(const std::string& key, double from_s = 0, double to_s = 1e9) const;
};

class LoadProcess {
 public:
  explicit LoadProcess(std::vector<std::string> arguments);

  ChildProcess& process() { return process_; }
  pid_t pid() const { return process_.pid(); }
  void interrupt();
  // Waits for so many of the lines that --live plain prints on stderr each second.
  bool wait_for_live_rows(std::size_t rows);
  // Throws when it does not end before the deadline.
  LoadRun finish(const Deadline& deadline = Deadline());

 private:
  TempTree results_;
  ChildProcess process_;
};

// Until its end; whatever exit status it has.
LoadRun run_ringload(std::vector<std::string> arguments, const Deadline& deadline = Deadline());

// The arguments alone: no --json.
Finished run_ringload_plainly(std::vector<std::string> arguments);

// Complete lines of live figures: those that begin with a time.
std::size_t live_rows(const std::string& text);

// What must hold between the figures of every run.
void expect_consistent(const LoadRun& run);

}  // namespace support
