// Landlock (landlock(7)): what this process may still open, for good, whatever it is made to do.
// Its rules name directories and files as they are when the rule is made, not their paths.
#pragma once

#include <cstdint>
#include <string>

#include "common/net/owned_fd.h"
#include "common/net/result.h"

namespace ringserve::process {

class Landlock {
 public:
  enum class May {
    read,         // files and directories below
    list,         // the names of one directory, but no file
    write_logs,   // make files and append to them
    write_file,   // this one, which may be a pipe or a terminal
    remove_names  // of Unix sockets
  };

  // The version of the kernel's Landlock; 0: it has none, or it is not switched on.
  static int abi();

  // Handles all that abi() knows: files, if `files`; from version 4 on, TCP; from version 6 on,
  // signals and abstract Unix sockets of other processes.
  static net::Result<Landlock> create(bool files);

  net::Status allow(const std::string& path, May may);
  net::Status allow(int fd, May may, const std::string& name);
  // For the calling thread and those it starts from now on. Needs PR_SET_NO_NEW_PRIVS.
  net::Status restrict_self();

 private:
  net::OwnedFd rules_;
  uint64_t handled_ = 0;  // rights of files
};

}  // namespace ringserve::process
