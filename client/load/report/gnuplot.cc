// Script and results pass through memory files (memfd_create(2)): unlike pipes they hold
// everything, so that neither side ever waits for the other.
#include "client/load/report/gnuplot.h"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <string>

#include "client/load/report/files.h"

extern char** environ;

namespace ringload {
namespace {

constexpr const char* kAdvice = "the HTML report needs gnuplot: apt-get install gnuplot-nox";

// What the child finds as 0, 1 and 2.
struct StandardFiles {
  net::OwnedFd in, out, err;
};

net::Result<StandardFiles> standard_files(std::string_view input) {
  StandardFiles files;
  for (net::OwnedFd* fd : {&files.in, &files.out, &files.err}) {
    fd->reset(::memfd_create("gnuplot", MFD_CLOEXEC));
    if (!fd->valid()) return net::fail("memfd_create for gnuplot", errno);
  }
  if (auto status = write_all(files.in.get(), input, "gnuplot's script"); !status) {
    return tl::unexpected(status.error());
  }
  if (::lseek(files.in.get(), 0, SEEK_SET) < 0) return net::fail("lseek gnuplot's script", errno);
  return files;
}

net::Result<std::string> rewound(const net::OwnedFd& fd, const char* name) {
  if (::lseek(fd.get(), 0, SEEK_SET) < 0) return net::fail(fmt::format("lseek {}", name), errno);
  return read_all(fd.get(), name);
}

// The wait status of waitpid(2).
net::Result<int> run_child(const StandardFiles& files, const char* option) {
  posix_spawn_file_actions_t actions;
  if (int error = ::posix_spawn_file_actions_init(&actions); error != 0) {
    return net::fail("posix_spawn_file_actions_init", error);
  }
  std::string program = "gnuplot";
  std::string first = option;
  const std::array<char*, 3> arguments{program.data(), first.data(), nullptr};
  int error = 0;
  for (const auto& [from, to] : {std::pair{files.in.get(), 0}, std::pair{files.out.get(), 1},
                                 std::pair{files.err.get(), 2}}) {
    if (error == 0) error = ::posix_spawn_file_actions_adddup2(&actions, from, to);
  }
  pid_t pid = 0;
  if (error == 0) {
    error = ::posix_spawnp(&pid, "gnuplot", &actions, nullptr, arguments.data(), environ);
  }
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return net::fail("start gnuplot", error, kAdvice);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return net::fail("waitpid for gnuplot", errno);
  }
  return status;
}

// Its stdout; fails with its stderr when it fails.
net::Result<std::string> gnuplot(std::string_view input, const char* option) {
  const auto files = standard_files(input);
  if (!files) return tl::unexpected(files.error());
  const auto status = run_child(*files, option);
  if (!status) return tl::unexpected(status.error());
  if (!WIFEXITED(*status) || WEXITSTATUS(*status) != 0) {
    const auto complaint = rewound(files->err, "gnuplot's messages");
    if (!complaint) return tl::unexpected(complaint.error());
    const std::string how = WIFEXITED(*status) ? fmt::format("exit status {}", WEXITSTATUS(*status))
                                               : fmt::format("signal {}", WTERMSIG(*status));
    return net::fail(fmt::format("gnuplot failed ({}): {}", how, *complaint), 0, kAdvice);
  }
  return rewound(files->out, "gnuplot's picture");
}

}  // namespace

net::Status check_plotter() {
  const auto version = gnuplot({}, "--version");
  if (!version) return tl::unexpected(version.error());
  return {};
}

net::Result<std::string> run_gnuplot(std::string_view script) {
  // -d: without the user's own settings.
  auto picture = gnuplot(script, "-d");
  if (!picture) return picture;
  const size_t begin = picture->find("<svg");
  if (begin == std::string::npos) {
    return net::fail("gnuplot drew no picture", 0, kAdvice);
  }
  return picture->substr(begin);
}

}  // namespace ringload
