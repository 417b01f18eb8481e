// Giving up the rights the server was started with (--user).
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "common/net/result.h"

namespace ringserve::process {

struct User {
  std::string name;  // as it was asked for: "www-data:www-data"
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // supplementary ones
};

// "NAME" or "NAME:GROUP", names or numbers. Without GROUP, the groups of the user are taken.
net::Result<User> find_user(const std::string& text);

// For this process and for good; before any thread. Looks whether it took: a process that can get
// its rights back has not given them up.
net::Status become(const User& user);

}  // namespace ringserve::process
