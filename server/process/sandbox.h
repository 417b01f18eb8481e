// What confines a serving process: Landlock, seccomp, a restricted ring, no new privileges, no core
// dump. The parts are put on at two moments: files and rights before any thread, since Landlock is
// of a thread and its children; system calls when all is started, since starting needs more of
// them.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "common/net/address.h"
#include "common/net/result.h"
#include "server/options.h"

namespace ringserve::process {

class Sandbox {
 public:
  // Before any thread, when listeners are bound and --user is in force. `addresses`: whose Unix
  // sockets are to be removed at the end.
  net::Status enter(const Options& options, const std::vector<net::Address>& addresses);
  // When all threads run.
  net::Status seal();

  // Whether the rings of workers are to be restricted to what they use.
  bool restricts_rings() const { return is_on_; }
  // Fails where a root of these options cannot be opened from inside; says how it can be reached.
  net::Status check_roots(const Options& options) const;
  // For the start-up line: "user www-data, no new privileges, Landlock 7 (files, TCP), seccomp".
  std::string describe() const;

 private:
  struct Inode {
    dev_t device;
    ino_t number;
    bool operator==(const Inode&) const = default;
  };

  net::Status confine_files(const Options& options, const std::vector<net::Address>& addresses);
  // A part that cannot be had fails the start of `on`, and is told by the start-up line of `auto`.
  net::Status missing(const net::Error& error, const std::string& part);
  bool holds(const std::string& root) const;

  bool is_on_ = false;
  bool must_be_whole_ = false;
  bool has_files_ = false;
  std::vector<Inode> roots_;
  std::vector<std::string> parts_, missing_;
};

}  // namespace ringserve::process
