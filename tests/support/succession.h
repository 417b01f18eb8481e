// A server that is upgraded again and again: who serves now, and how its predecessors ended. The
// test becomes the parent of successors (PR_SET_CHILD_SUBREAPER), so that none is left behind.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "tests/support/server_process.h"

namespace support {

class Succession {
 public:
  explicit Succession(ServerProcess& first);
  ~Succession();  // kills who still runs
  Succession(const Succession&) = delete;
  Succession& operator=(const Succession&) = delete;

  pid_t pid() const { return pids_.back(); }
  // SIGUSR2, and waits until the successor serves; throws where it does not.
  void upgrade();
  // SIGTERM to who serves, and the end of all; the exit statuses, without the first server's and
  // those that ended while the process that had started them was still there to take theirs. The
  // last one is always among them.
  std::vector<ExitStatus> end();

 private:
  ServerProcess& first_;
  std::vector<pid_t> pids_;
};

}  // namespace support
