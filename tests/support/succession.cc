// Reads the pids of successors from the log, which all generations share.
#include "tests/support/succession.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace support {
namespace {

constexpr int kLookPause_ms = 5;

// Of the last "process N serves now" behind `from`; 0: there is none.
pid_t successor_in(const std::string& log, std::size_t from) {
  const std::size_t end = log.find(" serves now", from);
  if (end == std::string::npos) return 0;
  const std::size_t begin = log.rfind(' ', end - 1);
  return static_cast<pid_t>(std::stoi(log.substr(begin + 1, end - begin - 1)));
}

pid_t parent_of(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(stat, line);
  // "PID (NAME) STATE PPID ...", and a name may hold anything but its own end.
  std::istringstream rest(line.substr(std::min(line.size(), line.rfind(')') + 1)));
  std::string state;
  pid_t parent = 0;
  rest >> state >> parent;
  return parent;
}

}  // namespace

Succession::Succession(ServerProcess& first) : first_(first), pids_{first.pid()} {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

Succession::~Succession() {
  for (std::size_t i = 1; i < pids_.size(); ++i) {
    if (pids_[i] > 0) ::kill(pids_[i], SIGKILL);
  }
  for (std::size_t i = 1; i < pids_.size(); ++i) {
    if (pids_[i] > 0) ::waitpid(pids_[i], nullptr, 0);
  }
}

void Succession::upgrade() {
  const std::size_t from = first_.log().size();
  ::kill(pid(), SIGUSR2);
  const Deadline deadline;
  pid_t successor = 0;
  while ((successor = successor_in(first_.log(), from)) == 0) {
    if (deadline.passed()) throw std::runtime_error("no successor:\n" + first_.log().substr(from));
    ::poll(nullptr, 0, kLookPause_ms);
  }
  pids_.push_back(successor);
}

std::vector<ExitStatus> Succession::end() {
  std::vector<ExitStatus> statuses;
  const Deadline deadline;
  const auto look_again = [&deadline] {
    if (deadline.passed()) throw std::runtime_error("a predecessor is still there");
    ::poll(nullptr, 0, kLookPause_ms);
  };
  // The process that started it takes its status, if it is still there then.
  while (pids_.size() > 1 && parent_of(pid()) != ::getpid()) look_again();
  ::kill(pid(), SIGTERM);
  for (std::size_t i = 1; i < pids_.size(); ++i) {
    int status = 0;
    bool is_known = false;
    while (!(is_known = ::waitpid(pids_[i], &status, WNOHANG) == pids_[i])) {
      if (::kill(pids_[i], 0) != 0) break;  // its starter has seen its end
      look_again();
    }
    pids_[i] = 0;
    if (!is_known) continue;
    statuses.push_back(WIFSIGNALED(status) ? ExitStatus{-1, WTERMSIG(status)}
                                           : ExitStatus{WEXITSTATUS(status), 0});
  }
  return statuses;
}

}  // namespace support
