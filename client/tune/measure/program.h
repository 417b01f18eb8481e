// A program started for one sample: pinned to a CPU, its output kept, its end awaited with a
// deadline. It never outlives the object, nor the process that started it.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/net/owned_fd.h"
#include "common/net/result.h"

namespace ringtune {

struct ProgramOptions {
  std::vector<std::string> arguments;  // the first is looked for in PATH if it has no slash
  std::vector<std::pair<std::string, std::string>> environment{};  // added to ours
  int cpu = -1;                                                    // -1: where it likes
  bool may_mount = true;  // false: what is read-only here stays so, whatever it does
};

class Program {
 public:
  // Errors: of fork(2), or of the exec in the child.
  static net::Result<std::unique_ptr<Program>> start(const ProgramOptions& options);
  ~Program();  // SIGKILL, if it still runs
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  pid_t pid() const { return pid_; }
  // The first line of its stdout. Errors: it ended before, or did not print one in time; what it
  // said on stderr is told.
  net::Result<std::string> first_line(double limit_s);
  // Its exit status, 128 + the signal if one ended it. ETIMEDOUT: it runs on.
  net::Result<int> wait(double limit_s);
  // Stops it, and returns when it stands still; lets it go on.
  net::Status freeze();
  net::Status thaw();

  const std::string& out() const { return out_; }  // so far
  std::string last_words() const;                  // the end of its stderr, in one line

 private:
  Program(pid_t pid, net::OwnedFd pid_fd, net::OwnedFd out, net::OwnedFd err, std::string name)
      : pid_(pid),
        pid_fd_(std::move(pid_fd)),
        out_fd_(std::move(out)),
        err_fd_(std::move(err)),
        name_(std::move(name)) {}
  void read_out();
  // Until something is printed, or it has ended. False: the time is over.
  bool await_event(double limit_s);

  pid_t pid_;
  net::OwnedFd pid_fd_;
  net::OwnedFd out_fd_;  // not valid after its end
  net::OwnedFd err_fd_;  // a memfd
  std::string name_;
  std::string out_;
  bool has_ended_ = false;
  int exit_status_ = 0;
};

// Of a program of ours: beside this one, else in PATH.
net::Result<std::string> program_beside(const std::string& name);

}  // namespace ringtune
