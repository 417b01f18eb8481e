// fork(2) and exec, with system calls only in between, since the link's thread may be running; a
// pidfd tells the end (pidfd_open(2)). stderr goes to a file in memory, so that it never blocks.
#include "client/tune/measure/program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>

#include "common/check.h"
#include "common/measure/cpu_time.h"
#include "common/net/private_network.h"

extern char** environ;

namespace ringtune {
namespace {

constexpr size_t kLastWordsBytes = 600;
constexpr size_t kOutBytesMax = size_t{64} << 20;  // beyond, output is thrown away
constexpr int kExecFailed = 127;

struct ChildPlan {
  std::vector<char*> arguments;
  std::vector<char*> environment;
  int cpu;
  bool may_mount;
  int out;
  int err;
  int report;  // the errno of what failed
  pid_t parent;
};

[[noreturn]] void become(const ChildPlan& plan) {
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  ::signal(SIGINT, SIG_DFL);
  ::signal(SIGTERM, SIG_DFL);
  bool is_well = ::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && ::getppid() == plan.parent;
  if (plan.cpu >= 0) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(static_cast<size_t>(plan.cpu), &cpus);
    is_well = is_well && ::sched_setaffinity(0, sizeof cpus, &cpus) == 0;
  }
  if (is_well && !plan.may_mount) {
    errno = net::give_up_mounts();
    is_well = errno == 0;
  }
  const int nothing = ::open("/dev/null", O_RDONLY);
  is_well =
      is_well && ::dup2(nothing, 0) == 0 && ::dup2(plan.out, 1) == 1 && ::dup2(plan.err, 2) == 2;
  if (is_well) ::execvpe(plan.arguments.front(), plan.arguments.data(), plan.environment.data());
  const int error = errno;
  // Nobody is left to be told when this fails.
  [[maybe_unused]] const ssize_t told = ::write(plan.report, &error, sizeof error);
  ::_exit(kExecFailed);
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

net::Result<std::unique_ptr<Program>> Program::start(const ProgramOptions& options) {
  CHECK(!options.arguments.empty());
  std::vector<std::string> arguments = options.arguments;
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  for (const auto& [name, value] : options.environment) environment.push_back(name + "=" + value);

  std::array<int, 2> out{};
  std::array<int, 2> report{};
  if (::pipe2(out.data(), O_CLOEXEC) < 0) return net::fail("pipe2", errno);
  net::OwnedFd out_read(out[0]);
  net::OwnedFd out_write(out[1]);
  if (::pipe2(report.data(), O_CLOEXEC) < 0) return net::fail("pipe2", errno);
  const net::OwnedFd report_read(report[0]);
  net::OwnedFd report_write(report[1]);
  net::OwnedFd err(::memfd_create("stderr", MFD_CLOEXEC));
  if (!err.valid()) return net::fail("memfd_create", errno);
  if (::fcntl(out_read.get(), F_SETFL, O_NONBLOCK) < 0) return net::fail("fcntl O_NONBLOCK", errno);

  const ChildPlan plan{pointers_to(arguments),
                       pointers_to(environment),
                       options.cpu,
                       options.may_mount,
                       out_write.get(),
                       err.get(),
                       report_write.get(),
                       ::getpid()};
  const pid_t pid = ::fork();
  if (pid < 0) return net::fail(fmt::format("fork for {}", arguments.front()), errno);
  if (pid == 0) become(plan);
  net::OwnedFd pid_fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  const int pid_error = errno;
  std::unique_ptr<Program> program(
      new Program(pid, std::move(pid_fd), std::move(out_read), std::move(err), arguments.front()));
  if (!program->pid_fd_.valid()) return net::fail("pidfd_open", pid_error);
  report_write.reset();
  int error = 0;
  ssize_t told = 0;
  do {
    told = ::read(report_read.get(), &error, sizeof error);
  } while (told < 0 && errno == EINTR);
  if (told > 0) {
    return net::fail(fmt::format("start {}", options.arguments.front()), error,
                     error == ENOENT ? "is it installed, and in PATH?" : "");
  }
  return program;
}

Program::~Program() {
  if (has_ended_) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void Program::read_out() {
  std::array<char, 65536> buffer;
  while (out_fd_.valid()) {
    const ssize_t got = ::read(out_fd_.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return;  // EAGAIN: nothing for now
    if (got == 0) out_fd_.reset();
    const size_t room = kOutBytesMax - out_.size();
    out_.append(buffer.data(), std::min(static_cast<size_t>(got), room));
  }
}

bool Program::await_event(double limit_s) {
  std::array<pollfd, 2> fds{{{pid_fd_.get(), POLLIN, 0}, {out_fd_.get(), POLLIN, 0}}};
  const int limit_ms = std::max(0, static_cast<int>(limit_s * 1000));
  const int ready = ::poll(fds.data(), fds.size(), limit_ms);
  read_out();
  if (fds[0].revents != 0 && !has_ended_) {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0) CHECK(errno == EINTR);
    has_ended_ = true;
    exit_status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    read_out();
  }
  return ready != 0;
}

net::Result<std::string> Program::first_line(double limit_s) {
  const int64_t until_ns = ::measure::monotonic_ns() + static_cast<int64_t>(limit_s * 1e9);
  for (;;) {
    const size_t end = out_.find('\n');
    if (end != std::string::npos) return out_.substr(0, end);
    if (has_ended_) {
      return net::fail(fmt::format("{} ended with {}: {}", name_, exit_status_, last_words()), 0);
    }
    const double left_s = static_cast<double>(until_ns - ::measure::monotonic_ns()) / 1e9;
    if (left_s <= 0) {
      return net::fail(fmt::format("{} was not ready after {} s: {}", name_, limit_s, last_words()),
                       ETIMEDOUT);
    }
    await_event(left_s);
  }
}

net::Result<int> Program::wait(double limit_s) {
  const int64_t until_ns = ::measure::monotonic_ns() + static_cast<int64_t>(limit_s * 1e9);
  while (!has_ended_) {
    const double left_s = static_cast<double>(until_ns - ::measure::monotonic_ns()) / 1e9;
    if (left_s <= 0) {
      return net::fail(fmt::format("{} still runs after {} s", name_, limit_s), ETIMEDOUT);
    }
    await_event(left_s);
  }
  return exit_status_;
}

net::Status Program::freeze() {
  if (::kill(pid_, SIGSTOP) < 0) return net::fail(fmt::format("stop {}", name_), errno);
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WSTOPPED | WEXITED | WNOWAIT) < 0) {
    if (errno != EINTR) return net::fail(fmt::format("wait until {} stands still", name_), errno);
  }
  if (info.si_code != CLD_STOPPED) {
    return net::fail(fmt::format("{} ended: {}", name_, last_words()), 0);
  }
  return {};
}

net::Status Program::thaw() {
  if (::kill(pid_, SIGCONT) < 0) return net::fail(fmt::format("let {} go on", name_), errno);
  return {};
}

std::string Program::last_words() const {
  const off_t size = ::lseek(err_fd_.get(), 0, SEEK_END);
  const off_t from = std::max<off_t>(0, size - static_cast<off_t>(kLastWordsBytes));
  std::string words(kLastWordsBytes, '\0');
  const ssize_t got = ::pread(err_fd_.get(), words.data(), words.size(), from);
  words.resize(got > 0 ? static_cast<size_t>(got) : 0);
  while (!words.empty() && words.back() == '\n') words.pop_back();
  std::replace(words.begin(), words.end(), '\n', ' ');
  return words.empty() ? "it said nothing" : words;
}

net::Result<std::string> program_beside(const std::string& name) {
  std::string self(4096, '\0');
  const ssize_t length = ::readlink("/proc/self/exe", self.data(), self.size());
  if (length > 0) {
    self.resize(static_cast<size_t>(length));
    const std::string beside = self.substr(0, self.rfind('/') + 1) + name;
    if (::access(beside.c_str(), X_OK) == 0) return beside;
  }
  const char* path = std::getenv("PATH");
  std::string rest = path != nullptr ? path : "";
  while (!rest.empty()) {
    const size_t colon = std::min(rest.find(':'), rest.size());
    const std::string candidate = rest.substr(0, colon) + "/" + name;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    rest.erase(0, std::min(colon + 1, rest.size()));
  }
  return net::fail(fmt::format("find {} beside ringtune or in PATH", name), ENOENT,
                   fmt::format("build or install it: ninja {}", name));
}

}  // namespace ringtune
