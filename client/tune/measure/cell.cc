// fork(2), a process group, a pipe for the answer. The group is killed before its leader is waited
// for, so that its number cannot have a new owner by then.
#include "client/tune/measure/cell.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>

#include "common/check.h"
#include "common/measure/cpu_time.h"
#include "common/net/owned_fd.h"
#include "common/net/private_network.h"

namespace ringtune {
namespace {

volatile std::sig_atomic_t interrupted = 0;

void note_interrupt(int) { interrupted = 1; }

constexpr std::array kInterrupts{SIGINT, SIGTERM, SIGHUP};

sigset_t interrupts() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int number : kInterrupts) ::sigaddset(&set, number);
  return set;
}

// nohup(1) has said that it does not matter.
bool is_ignored_hangup(int number) {
  struct sigaction present {};
  return number == SIGHUP && ::sigaction(number, nullptr, &present) == 0 &&
         present.sa_handler == SIG_IGN;
}

nlohmann::json work_inside(const CellWork& work) {
  const auto error_of = [](const net::Error& error) {
    return nlohmann::json{
        {"error", {{"what", error.what}, {"errno", error.errno_value}, {"advice", error.advice}}}};
  };
  const bool is_root = ::geteuid() == 0;
  if (auto status = net::enter_private_user(); !status) return error_of(status.error());
  // Anybody else may not write them, whatever a container says to mounts.
  if (auto status = net::make_machine_parameters_read_only(); !status && is_root) {
    net::Error error = status.error();
    error.advice =
        "root could write the machine's parameters here: run ringtune as another user; where "
        "/proc/sys itself is read-only, as in a container, nothing can be measured";
    return error_of(error);
  }
  // A network to come home to (NetworkScope): the one outside is closed from here on.
  if (auto status = net::enter_private_network(); !status) return error_of(status.error());
  auto result = work();
  if (!result) return error_of(result.error());
  return {{"result", std::move(*result)}};
}

[[noreturn]] void be_the_cell(const CellWork& work, int answer, pid_t parent) {
  ::signal(SIGINT, SIG_IGN);  // the parent decides
  ::signal(SIGTERM, SIG_DFL);
  sigset_t set = interrupts();
  ::sigdelset(&set, SIGHUP);  // blocked and not ignored: commands begin with what the user had
  ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
  if (::setpgid(0, 0) < 0 || ::prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || ::getppid() != parent) {
    ::_exit(1);
  }
  const std::string text =
      work_inside(work).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  for (size_t sent = 0; sent < text.size();) {
    const ssize_t written = ::write(answer, text.data() + sent, text.size() - sent);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) ::_exit(1);
    sent += static_cast<size_t>(written);
  }
  ::_exit(0);
}

// The whole answer, which ends when the cell does.
net::Result<std::string> read_answer(int answer, double limit_s) {
  const int64_t until_ns = ::measure::monotonic_ns() + static_cast<int64_t>(limit_s * 1e9);
  sigset_t none;
  ::sigemptyset(&none);
  std::string text;
  std::array<char, 65536> buffer;
  for (;;) {
    if (interrupted != 0) return net::fail("interrupted", EINTR);
    const int64_t left_ns = until_ns - ::measure::monotonic_ns();
    if (left_ns <= 0) {
      return net::fail(fmt::format("a sample took more than {:.0f} s", limit_s), ETIMEDOUT,
                       "give it more --seconds, or the machine less to do");
    }
    pollfd fd{answer, POLLIN, 0};
    const timespec wait{left_ns / 1'000'000'000, left_ns % 1'000'000'000};
    // Signals are blocked but for this moment, so that none is missed before it.
    if (::ppoll(&fd, 1, &wait, &none) <= 0) continue;
    const ssize_t got = ::read(answer, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return net::fail("read what a sample found", errno);
    if (got == 0) return text;
    text.append(buffer.data(), static_cast<size_t>(got));
  }
}

}  // namespace

InterruptWatch::InterruptWatch() {
  const sigset_t set = interrupts();
  struct sigaction action {};
  action.sa_handler = note_interrupt;
  CHECK(::sigprocmask(SIG_BLOCK, &set, nullptr) == 0);
  for (const int number : kInterrupts) {
    if (!is_ignored_hangup(number)) CHECK(::sigaction(number, &action, nullptr) == 0);
  }
}

InterruptWatch::~InterruptWatch() {
  const sigset_t set = interrupts();
  for (const int number : kInterrupts) {
    if (!is_ignored_hangup(number)) ::signal(number, SIG_DFL);
  }
  CHECK(::sigprocmask(SIG_UNBLOCK, &set, nullptr) == 0);
}

bool InterruptWatch::was_interrupted() { return interrupted != 0; }

net::Result<nlohmann::json> run_in_cell(const CellWork& work, double limit_s) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) < 0) return net::fail("pipe2", errno);
  const net::OwnedFd read_end(ends[0]);
  net::OwnedFd write_end(ends[1]);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return net::fail("fork", errno, "is RLIMIT_NPROC or pids.max reached?");
  if (pid == 0) be_the_cell(work, write_end.get(), parent);
  write_end.reset();
  // Here too, since nobody knows who is first; the later one finds it done.
  ::setpgid(pid, pid);
  const auto answer = read_answer(read_end.get(), limit_s);
  ::kill(-pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) CHECK(errno == EINTR);
  if (!answer) return tl::unexpected(answer.error());
  const auto json = nlohmann::json::parse(*answer, nullptr, false);
  if (json.is_discarded() || !json.is_object()) {
    return net::fail(
        fmt::format("the process of a sample ended without an answer (status {:#x})", status), 0,
        "see what it printed on stderr");
  }
  if (json.contains("error")) {
    const auto& error = json["error"];
    return net::fail(error["what"], error["errno"], error["advice"]);
  }
  return json.at("result");
}

}  // namespace ringtune
