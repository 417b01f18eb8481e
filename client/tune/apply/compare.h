// A file's assignments against the running system, and what is to be said of each. What diff shows
// and apply goes by.
#pragma once

#include <string>
#include <vector>

#include "client/tune/conf/proc_sys.h"
#include "client/tune/conf/sysctl_file.h"

namespace ringtune {

enum class State {
  equal,
  differs,
  missing,     // this kernel, or this namespace, does not have it
  unreadable,  // it is there, and says nothing to us
};

struct Comparison {
  Assignment wanted;
  State state = State::equal;
  std::string present;
  std::string error;      // why it is missing or unreadable
  std::string objection;  // why it should not be set; empty if nothing speaks against it

  // That it cannot be set would be an error.
  bool is_needed() const { return !wanted.may_fail; }
};

// A value as people are shown it.
std::string shown(const std::string& value);

std::vector<Comparison> compare(const SysctlFile& file, const ProcSys& proc_sys);

// "FILE:7: 'x' has no '='", a line each; empty if there are none.
std::string mistakes_text(const std::string& path, const SysctlFile& file);

}  // namespace ringtune
