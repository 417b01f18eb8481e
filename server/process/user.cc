// setgroups(2), setresgid(2), setresuid(2), in this order: each needs what the next gives up.
#include "server/process/user.h"

#include <fmt/format.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <map>
#include <optional>

namespace ringserve::process {
namespace {

constexpr int kGroupsMax = 1024;

std::optional<unsigned> number_in(const std::string& text) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return number;
}

net::Result<gid_t> find_group(const std::string& name) {
  if (const auto number = number_in(name)) return *number;
  const group* found = ::getgrnam(name.c_str());
  if (found == nullptr) {
    return net::fail(fmt::format("there is no group {}", name), 0,
                     "'getent group' lists those there are; 'groupadd --system' makes one");
  }
  return found->gr_gid;
}

net::Status take_groups_of(const passwd& entry, User& user) {
  int count = kGroupsMax;
  user.groups.resize(kGroupsMax);
  if (::getgrouplist(entry.pw_name, entry.pw_gid, user.groups.data(), &count) < 0) {
    return net::fail(fmt::format("{} is in more than {} groups", entry.pw_name, kGroupsMax), 0,
                     "name the one that counts: NAME:GROUP");
  }
  user.groups.resize(static_cast<size_t>(count));
  return {};
}

bool is(const User& user) {
  uid_t real = 0, effective = 0, saved = 0;
  gid_t real_group = 0, effective_group = 0, saved_group = 0;
  if (::getresuid(&real, &effective, &saved) < 0) return false;
  if (::getresgid(&real_group, &effective_group, &saved_group) < 0) return false;
  return real == user.uid && effective == user.uid && saved == user.uid && real_group == user.gid &&
         effective_group == user.gid && saved_group == user.gid;
}

bool has_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3]{};
  if (::syscall(SYS_capget, &header, data) < 0) return true;  // who knows
  for (const auto& word : data) {
    if (word.effective != 0 || word.permitted != 0) return true;
  }
  return false;
}

bool groups_are_within(const User& user) {
  std::array<gid_t, kGroupsMax> groups;
  const int count = ::getgroups(groups.size(), groups.data());
  return count >= 0 && std::all_of(groups.begin(), groups.begin() + count, [&user](gid_t group) {
           return group == user.gid ||
                  std::find(user.groups.begin(), user.groups.end(), group) != user.groups.end();
         });
}

// Of a process that is this user already: capabilities it was started with, groups of others.
net::Status give_up_the_rest(const User& user) {
  const std::string what = fmt::format("keep only the rights of the user {}", user.name);
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3]{};
  if (::syscall(SYS_capset, &header, none) < 0) return net::fail(what + ": capset", errno);
  if (!groups_are_within(user)) {
    return net::fail(what, 0, "this process has groups that the user is not in: start it without");
  }
  return {};
}

net::Result<User> look_up(const std::string& text) {
  User user;
  user.name = text;
  const size_t colon = text.find(':');
  const std::string name = text.substr(0, colon);
  const auto number = number_in(name);
  const passwd* entry = number ? ::getpwuid(*number) : ::getpwnam(name.c_str());
  if (entry == nullptr && !number) {
    return net::fail(fmt::format("there is no user {}", name), 0,
                     "'getent passwd' lists those there are; 'useradd --system' makes one");
  }
  user.uid = entry != nullptr ? entry->pw_uid : *number;
  if (user.uid == 0) {
    return net::fail("must be a user without root's rights", 0, "leave it out to keep them");
  }
  if (colon != std::string::npos) {
    const auto group = find_group(text.substr(colon + 1));
    if (!group) return tl::unexpected(group.error());
    user.gid = *group;
    user.groups = {*group};
    return user;
  }
  if (entry == nullptr) {
    return net::fail(fmt::format("nobody knows the group of the user {}", name), 0,
                     "say it too: NAME:GROUP");
  }
  user.gid = entry->pw_gid;
  if (auto status = take_groups_of(*entry, user); !status) return tl::unexpected(status.error());
  return user;
}

}  // namespace

net::Result<User> find_user(const std::string& text) {
  // A reload asks again, and a sandbox hides /etc/passwd by then. Main thread only.
  static std::map<std::string, User> found;
  if (const auto known = found.find(text); known != found.end()) return known->second;
  auto user = look_up(text);
  if (user) found.emplace(text, *user);
  return user;
}

net::Status become(const User& user) {
  const std::string what = fmt::format("become the user {} with", user.name);
  constexpr const char* kAdvice = "only root may: start the server as root, or leave --user out";
  if (is(user)) return give_up_the_rest(user);  // a service manager has seen to it
  if (::setgroups(user.groups.size(), user.groups.data()) < 0) {
    return net::fail(what + " setgroups", errno, kAdvice);
  }
  if (::setresgid(user.gid, user.gid, user.gid) < 0) {
    return net::fail(what + " setresgid", errno, kAdvice);
  }
  if (::setresuid(user.uid, user.uid, user.uid) < 0) {
    return net::fail(what + " setresuid", errno,
                     errno == EAGAIN ? "raise RLIMIT_NPROC of this user" : kAdvice);
  }
  if (!is(user) || ::setresuid(0, 0, 0) == 0 || has_capabilities()) {
    return net::fail(what + " setresuid did not take", 0,
                     "are capabilities kept on purpose (securebits, ambient)? The server does not "
                     "run with rights it was told to give up");
  }
  return {};
}

}  // namespace ringserve::process
