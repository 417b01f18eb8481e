// A program started by a test: what it prints is collected, its end is awaited with a deadline,
// and it never outlives the test that started it.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/child_setup.h"
#include "tests/support/output_tap.h"
#include "tests/support/unique_fd.h"

namespace support {

struct ExitStatus {
  int code = -1;   // the exit code, or -1 when a signal ended it
  int signal = 0;  // the signal, or 0
  bool operator==(const ExitStatus&) const = default;
};
std::ostream& operator<<(std::ostream& out, const ExitStatus& status);

class ChildProcess {
 public:
  // Throws with the errno when the set-up or the exec fails in the child.
  explicit ChildProcess(const std::vector<std::string>& arguments,
                        const ChildSetup& setup = nothing_special());
  ~ChildProcess();  // kills what still runs
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  void signal(int number) const;
  // nullopt when it still runs at the deadline.
  std::optional<ExitStatus> wait_for_exit(const Deadline& deadline = Deadline());

  OutputTap& out() { return *out_; }
  OutputTap& err() { return *err_; }

 private:
  pid_t pid_ = -1;
  UniqueFd pid_fd_;
  std::optional<ExitStatus> status_;
  std::unique_ptr<OutputTap> out_;
  std::unique_ptr<OutputTap> err_;
};

struct Finished {
  ExitStatus status;
  std::string out;
  std::string err;
};

// Starts a program and waits for its end; throws when it does not end in time.
Finished run_to_exit(const std::vector<std::string>& arguments,
                     const ChildSetup& setup = nothing_special());

// The absolute path of a program in PATH, or nullopt.
std::optional<std::string> find_program(const std::string& name);

}  // namespace support
