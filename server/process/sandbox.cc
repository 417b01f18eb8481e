// `auto` takes away nothing that works without it; `on` is all of it. The difference is in files: a
// configuration that is read again may name new roots, and follow-symlinks = "always" may lead
// anywhere, so there `auto` leaves files alone.
#include "server/process/sandbox.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <filesystem>

#include "server/process/landlock.h"
#include "server/process/seccomp_filter.h"

namespace ringserve::process {
namespace {

std::string directory_of(const std::string& path) {
  const std::string parent = std::filesystem::absolute(path).parent_path();
  return parent.empty() ? "/" : parent;
}

bool is_fifo(const std::string& path) {
  struct stat facts {};
  return ::stat(path.c_str(), &facts) == 0 && S_ISFIFO(facts.st_mode);
}

bool follows_links_anywhere(const Options& options) {
  return std::ranges::any_of(options.sites, [](const config::SiteConfig& site) {
    return site.follow_symlinks == files::FollowSymlinks::always;
  });
}

net::Status allow_log(Landlock& landlock, const Options& options) {
  const std::string& path = options.access_log_path;
  if (options.access_log_format == LogFormat::off) return {};
  if (path == "-") {
    return landlock.allow(STDOUT_FILENO, Landlock::May::write_file, "stdout");
  }
  if (is_fifo(path)) return landlock.allow(path, Landlock::May::write_file);
  return landlock.allow(directory_of(path), Landlock::May::write_logs);
}

}  // namespace

net::Status Sandbox::confine_files(const Options& options,
                                   const std::vector<net::Address>& addresses) {
  std::string without;
  if (options.sandbox == SandboxMode::automatic && !options.config_path.empty()) {
    without = "files are not: a reload may name new roots (--sandbox on)";
  } else if (options.sandbox == SandboxMode::automatic && follows_links_anywhere(options)) {
    without = "files are not: follow-symlinks is always (--sandbox on)";
  } else if (kSanitized) {
    without = "files are not: the sanitizer reads /proc";
  }
  auto landlock = Landlock::create(without.empty());
  if (!landlock) return missing(landlock.error(), "Landlock");
  net::Status status;
  const auto allow = [&](const std::string& path, Landlock::May may) {
    if (status) status = landlock->allow(path, may);
  };
  if (without.empty()) {
    for (const config::SiteConfig& site : options.sites) {
      allow(site.root, Landlock::May::read);
      struct stat facts {};
      if (::stat(site.root.c_str(), &facts) == 0) roots_.push_back({facts.st_dev, facts.st_ino});
    }
    if (!options.config_path.empty()) {
      allow(directory_of(options.config_path), Landlock::May::read);
    }
    if (options.tuning.is_file) allow(directory_of(options.tuning.name), Landlock::May::read);
    for (const net::Address& address : addresses) {
      if (address.is_unix()) {
        allow(directory_of(address.unix_path()), Landlock::May::remove_names);
      }
    }
    allow("/proc/self/fd", Landlock::May::list);
    if (status) status = allow_log(*landlock, options);
  }
  if (status) status = landlock->restrict_self();
  if (!status) return missing(status.error(), "Landlock");
  has_files_ = without.empty();
  if (!without.empty()) missing_.push_back(without);
  const int abi = Landlock::abi();
  parts_.push_back(fmt::format("Landlock {} ({}{})", abi, has_files_ ? "files" : "",
                               abi < 4      ? ""
                               : has_files_ ? ", TCP"
                                            : "TCP"));
  return {};
}

net::Status Sandbox::missing(const net::Error& error, const std::string& part) {
  if (must_be_whole_) {
    net::Error explained = error;
    explained.what = "--sandbox on: " + error.what;
    return tl::unexpected(explained);
  }
  missing_.push_back(fmt::format("{} is missing: {}", part, error.message()));
  return {};
}

net::Status Sandbox::enter(const Options& options, const std::vector<net::Address>& addresses) {
  if (options.sandbox == SandboxMode::off) return {};
  is_on_ = true;
  must_be_whole_ = options.sandbox == SandboxMode::on;
  ::tzset();  // reads /etc/localtime, for the logs
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
    return net::fail("prctl PR_SET_NO_NEW_PRIVS", errno);
  }
  parts_.push_back("no new privileges");
  if (auto status = confine_files(options, addresses); !status) return status;
  // Memory has what clients sent and asked for: neither a core dump nor a debugger of the same user
  // gets it.
  if (!kSanitized) {
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) return net::fail("prctl PR_SET_DUMPABLE", errno);
    parts_.push_back("no core dumps");
  }
  return {};
}

net::Status Sandbox::seal() {
  if (!is_on_) return {};
  parts_.push_back("restricted rings");
  if (kSanitized) {
    missing_.push_back("seccomp is left out: this build has a sanitizer");
    return {};
  }
  if (auto status = confine_system_calls(); !status) return missing(status.error(), "seccomp");
  parts_.push_back("seccomp");
  return {};
}

// Below one of the directories the sandbox was made for? By inode, as Landlock does: a root that
// was replaced has its old name.
bool Sandbox::holds(const std::string& root) const {
  net::OwnedFd at(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  Inode last{};
  for (struct stat facts{}; at.valid() && ::fstat(at.get(), &facts) == 0;) {
    const Inode inode{facts.st_dev, facts.st_ino};
    if (std::ranges::find(roots_, inode) != roots_.end()) return true;
    if (inode == last) return false;  // "/"
    last = inode;
    at.reset(::openat(at.get(), "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
  return false;
}

net::Status Sandbox::check_roots(const Options& options) const {
  if (!has_files_) return {};
  for (const config::SiteConfig& site : options.sites) {
    if (holds(site.root)) continue;
    return net::fail(fmt::format("the root {} lies outside of the sandbox", site.root), 0,
                     "what a process may open cannot grow: SIGUSR2 starts a new one that may open "
                     "this root too, without losing a request");
  }
  return {};
}

std::string Sandbox::describe() const {
  std::string text = fmt::format("{}", fmt::join(parts_, ", "));
  if (!missing_.empty()) text += fmt::format("; {}", fmt::join(missing_, "; "));
  return text.empty() ? "not confined: --sandbox off" : text;
}

}  // namespace ringserve::process
