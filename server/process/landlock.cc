// The system calls by number: glibc has no wrappers, and the headers of Debian 12 know version 2.
#include "server/process/landlock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace ringserve::process {
namespace {

// linux/landlock.h of Linux 6.12.
struct RulesetAttributes {
  uint64_t handled_access_fs;
  uint64_t handled_access_net;  // version 4
  uint64_t scoped;              // version 6
};
struct [[gnu::packed]] PathBeneath {
  uint64_t allowed_access;
  int32_t parent_fd;
};
constexpr unsigned kCreateRulesetVersion = 1U << 0;
constexpr int kRulePathBeneath = 1;

enum Access : uint64_t {
  kExecute = 1U << 0,
  kWriteFile = 1U << 1,
  kReadFile = 1U << 2,
  kReadDir = 1U << 3,
  kRemoveFile = 1U << 5,
  kMakeReg = 1U << 8,
  kTruncate = 1U << 14,
};
// All rights of a version: version 1 has thirteen, then REFER, TRUNCATE, IOCTL_DEV come.
uint64_t file_rights(int abi) {
  constexpr unsigned kFirst = 13;
  const unsigned count = kFirst + (abi >= 2 ? 1 : 0) + (abi >= 3 ? 1 : 0) + (abi >= 5 ? 1 : 0);
  return (uint64_t{1} << count) - 1;
}
constexpr uint64_t kTcpRights = 3;  // BIND_TCP, CONNECT_TCP
constexpr uint64_t kScopes = 3;     // ABSTRACT_UNIX_SOCKET, SIGNAL
constexpr uint64_t kRightsOfFiles = kExecute | kWriteFile | kReadFile | kTruncate | (1U << 15);

uint64_t rights_for(Landlock::May may) {
  switch (may) {
    case Landlock::May::read: return kReadFile | kReadDir;
    case Landlock::May::list: return kReadDir;
    case Landlock::May::write_logs: return kWriteFile | kMakeReg | kTruncate;
    case Landlock::May::write_file: return kReadFile | kWriteFile;
    case Landlock::May::remove_names: return kRemoveFile;
  }
  return 0;
}

}  // namespace

int Landlock::abi() {
  const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, kCreateRulesetVersion);
  return version < 0 ? 0 : static_cast<int>(version);
}

net::Result<Landlock> Landlock::create(bool files) {
  const int version = abi();
  if (version == 0) {
    return net::fail("landlock_create_ruleset", errno,
                     "this kernel has no Landlock, or lsm= of its command line leaves it out");
  }
  RulesetAttributes attributes{};
  if (files) attributes.handled_access_fs = file_rights(version);
  if (version >= 4) attributes.handled_access_net = kTcpRights;
  if (version >= 6) attributes.scoped = kScopes;
  // An older kernel takes a longer structure if what it does not know is 0.
  Landlock landlock;
  landlock.handled_ = attributes.handled_access_fs;
  if (!files && version < 4) return landlock;  // nothing to restrict
  landlock.rules_.reset(
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0)));
  if (!landlock.rules_.valid()) return net::fail("landlock_create_ruleset", errno);
  return landlock;
}

net::Status Landlock::allow(const std::string& path, May may) {
  const net::OwnedFd fd(::open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!fd.valid()) return net::fail("sandbox: open " + path, errno);
  return allow(fd.get(), may, path);
}

net::Status Landlock::allow(int fd, May may, const std::string& name) {
  if (handled_ == 0) return {};
  struct stat facts {};
  if (::fstat(fd, &facts) < 0) return net::fail("sandbox: fstat " + name, errno);
  uint64_t rights = rights_for(may) & handled_;
  if (!S_ISDIR(facts.st_mode)) rights &= kRightsOfFiles;
  const PathBeneath rule{rights, fd};
  if (::syscall(SYS_landlock_add_rule, rules_.get(), kRulePathBeneath, &rule, 0) < 0) {
    return net::fail("landlock_add_rule for " + name, errno);
  }
  return {};
}

net::Status Landlock::restrict_self() {
  if (!rules_.valid()) return {};
  if (::syscall(SYS_landlock_restrict_self, rules_.get(), 0) < 0) {
    return net::fail("landlock_restrict_self", errno,
                     errno == E2BIG ? "there are 16 sandboxes around this process already" : "");
  }
  return {};
}

}  // namespace ringserve::process
