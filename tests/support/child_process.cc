// fork, a hook, exec; a pidfd to await the end. It relies on PR_SET_PDEATHSIG so that a child
// dies with its test, and must never wait without a deadline.
#include "tests/support/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <ostream>
#include <sstream>
#include <stdexcept>
#include <system_error>

namespace support {
namespace {

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Pipe make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    throw std::system_error(errno, std::generic_category(), "pipe2");
  }
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// Runs in the child: system calls only, and the errno of the failure through `report`.
[[noreturn]] void become(char* const* argv, const ChildSetup& setup, int out, int err, int report) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  int error = setup();
  if (error == 0 && (::dup2(out, STDOUT_FILENO) < 0 || ::dup2(err, STDERR_FILENO) < 0)) {
    error = errno;
  }
  if (error == 0) {
    ::execv(argv[0], argv);
    error = errno;
  }
  [[maybe_unused]] const ssize_t written = ::write(report, &error, sizeof error);
  ::_exit(127);
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const ExitStatus& status) {
  if (status.signal != 0) return out << "ended by signal " << status.signal;
  return out << "exit code " << status.code;
}

ChildProcess::ChildProcess(const std::vector<std::string>& arguments, const ChildSetup& setup) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  Pipe out = make_pipe();
  Pipe err = make_pipe();
  Pipe report = make_pipe();
  pid_ = ::fork();
  if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (pid_ == 0) {
    become(argv.data(), setup, out.write.get(), err.write.get(), report.write.get());
  }
  pid_fd_ = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  for (Pipe* pipe : {&out, &err, &report}) pipe->write.reset();
  int error = 0;
  // The pipe closes at exec: no bytes means that the program runs.
  const bool failed = ::read(report.read.get(), &error, sizeof error) == sizeof error;
  if (failed) ::waitpid(pid_, nullptr, 0);
  if (failed) throw std::system_error(error, std::generic_category(), "start " + arguments[0]);
  out_ = std::make_unique<OutputTap>(std::move(out.read));
  err_ = std::make_unique<OutputTap>(std::move(err.read));
}

ChildProcess::~ChildProcess() {
  if (status_) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void ChildProcess::signal(int number) const {
  if (!status_) ::kill(pid_, number);
}

std::optional<ExitStatus> ChildProcess::wait_for_exit(const Deadline& deadline) {
  if (status_) return status_;
  pollfd ended{pid_fd_.get(), POLLIN, 0};
  while (::poll(&ended, 1, deadline.left_ms()) < 0 && errno == EINTR) {
  }
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
  status_ =
      WIFSIGNALED(status) ? ExitStatus{-1, WTERMSIG(status)} : ExitStatus{WEXITSTATUS(status), 0};
  return status_;
}

Finished run_to_exit(const std::vector<std::string>& arguments, const ChildSetup& setup) {
  ChildProcess child(arguments, setup);
  const auto status = child.wait_for_exit();
  if (!status) {
    throw std::runtime_error(arguments[0] + " did not end in time; stderr: " + child.err().text());
  }
  return {*status, child.out().whole(), child.err().whole()};
}

std::optional<std::string> find_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string candidate = folder + "/" + name;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return std::nullopt;
}

}  // namespace support
