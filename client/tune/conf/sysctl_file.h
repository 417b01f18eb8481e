// Files as sysctl.d(5) describes them: a parameter and its value in each line. Pure: nothing here
// reads or writes /proc/sys.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/net/result.h"

namespace ringtune {

struct Assignment {
  std::string name;       // with dots: net.ipv4.tcp_rmem, net.ipv4.conf.eth0/100.rp_filter
  std::string path;       // below /proc/sys: net/ipv4/tcp_rmem
  std::string value;      // with single spaces; may be empty
  bool may_fail = false;  // a '-' before the name: that it cannot be set is no error
  unsigned line = 0;
};

struct Mistake {
  unsigned line = 0;
  std::string what;
};

struct SysctlFile {
  std::vector<Assignment> assignments;  // of a name that is there twice, the last one
  std::vector<Mistake> mistakes;
};

constexpr size_t kSysctlFileBytesMax = 1 << 20;

SysctlFile parse_sysctl_file(std::string_view text);

// "-" is the standard input.
net::Result<SysctlFile> read_sysctl_file(const std::string& path);

// The way to a parameter below /proc/sys. As sysctl.d(5) has it: if the first separator of the
// name is a dot, dots and slashes change places; if it is a slash, the name is a path already.
// Refuses whatever could lead out of /proc/sys.
net::Result<std::string> path_of_parameter(std::string_view name);
// And back.
std::string name_of_path(std::string_view path);

}  // namespace ringtune
