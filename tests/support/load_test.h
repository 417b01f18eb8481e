// The fixture of ringload's tests: a real server on a tree, and loads on it. What ringload
// printed is shown when a test fails.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/support/load_process.h"
#include "tests/support/scripted_server.h"
#include "tests/support/server_test.h"

namespace support {

class LoadTest : public ServerTest {
 protected:
  void TearDown() override;

  // Where ringserve serves.
  std::string url(std::string_view target = "/");
  // Loads until the end and expects exit status 0.
  LoadRun load(std::vector<std::string> arguments, const Deadline& deadline = Deadline());
  LoadRun load_expecting(int exit_code, std::vector<std::string> arguments,
                         const Deadline& deadline = Deadline());
  // Notes a run for the message of a failing test.
  const LoadRun& noted(const LoadRun& run);

 private:
  std::string notes_;
};

// n requests, all answered with 200, nothing else.
void expect_all_good(const LoadRun& run, std::uint64_t requests);

}  // namespace support
