// Starts the next binary. The server itself could not: it has dropped its user and locked itself
// in, and so would everything it executes be. So a process of its own is forked before anything
// else: it keeps the rights the server was started with, reads nothing but requests of the server,
// and can do one thing: execute the same path with the same arguments. It ends when the server
// does.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "common/net/owned_fd.h"
#include "common/net/result.h"
#include "server/process/listeners.h"

namespace ringserve::process {

class Starter {
 public:
  // Before any other thread, and before descriptors that a successor must not keep open.
  static net::Result<std::unique_ptr<Starter>> fork_off(char** arguments);

  struct Started {
    pid_t pid = -1;
    net::OwnedFd readiness;  // what the successor says with report_to_predecessor()
  };
  // Executes what is now at the path of this program, with these sockets as sd_listen_fds(3) has
  // it. Waits for the exec, no longer than kExecPatience_s.
  net::Result<Started> start(const std::vector<HandedSocket>& sockets);

  static constexpr int kExecPatience_s = 10;

 private:
  Starter(net::OwnedFd channel, std::string program)
      : channel_(std::move(channel)), program_(std::move(program)) {}

  net::OwnedFd channel_;
  std::string program_;
};

// The successor's side: where it says that it serves, or why it cannot.
class Predecessor {
 public:
  static Predecessor from_environment();

  bool is_there() const { return readiness_.valid(); }
  // Fails where the predecessor has given up waiting, or is gone: then it must not serve.
  net::Status say_ready();
  void say_why_not(const std::string& reason);

 private:
  net::OwnedFd readiness_;
};

// What a predecessor reads: that the successor serves, why it does not, or the end.
struct Readiness {
  bool is_ready = false;
  std::string reason;  // where it is not
};
Readiness read_readiness(const net::OwnedFd& readiness);

}  // namespace ringserve::process
