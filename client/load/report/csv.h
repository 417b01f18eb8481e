// A row per second as comma-separated values, written at once, so that the file can be followed
// while the run goes on and is whole when the run is killed.
#pragma once

#include <string>
#include <utility>

#include "client/load/outcome.h"
#include "common/net/owned_fd.h"
#include "common/net/result.h"

namespace ringload {

// Two lines of text, both ending in a newline. A cell is empty where nothing is known. `event` is
// "warmup", "exhausted" (the second in which ports ran out) or empty.
std::string csv_header();
std::string csv_row(const SecondRow& row, bool exhausted);

class CsvWriter {
 public:
  // Creates the file and writes the header: before the run, so that a bad path costs nothing.
  static net::Result<CsvWriter> open(const std::string& path);

  net::Status row(const SecondRow& row, bool exhausted);

 private:
  CsvWriter(net::OwnedFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  net::OwnedFd fd_;
  std::string path_;
};

// The rows of a whole outcome, as after a merge.
std::string csv_of(const Outcome& outcome);

// Whether ports ran out in this second.
bool exhausted_in(const SecondRow& row, const std::optional<Exhaustion>& exhaustion);

}  // namespace ringload
