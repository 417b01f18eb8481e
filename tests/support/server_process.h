// The real binary, started on a directory and asked where it listens. A test that ends with a
// server which did not exit as expected has failed: so do the reports of the sanitizers.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/endpoint.h"

namespace support {

std::string ringserve_binary();

struct ServerSpec {
  std::string root;
  std::vector<std::string> options = {};
  std::vector<std::string> listen = {"127.0.0.1:0"};
  ChildSetup setup = nothing_special();
  std::vector<std::string> launcher = {};  // a program that becomes what its arguments say
};

class ServerProcess {
 public:
  // Returns when every listener has been announced; throws, with stderr, when that fails.
  explicit ServerProcess(const ServerSpec& spec);

  const Endpoint& endpoint(std::size_t index = 0) const { return endpoints_.at(index); }
  // Where --admin listens; the first one. Throws where none is announced.
  Endpoint admin();
  pid_t pid() const { return process_.pid(); }

  void signal(int number) { process_.signal(number); }
  std::optional<ExitStatus> wait_for_exit() { return process_.wait_for_exit(); }
  // SIGTERM, and the end.
  std::optional<ExitStatus> stop();

  std::string log() { return process_.err().text(); }
  bool wait_for_log(const std::string& words);

 private:
  ChildProcess process_;
  std::vector<Endpoint> endpoints_;
};

// For starts that must fail: runs the binary with these arguments until it ends.
Finished run_ringserve(std::vector<std::string> arguments,
                       const ChildSetup& setup = nothing_special());

}  // namespace support
