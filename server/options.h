// What the command line asks for, checked: every value is in its range and in the unit of its name.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/net/address.h"
#include "server/files/site.h"
#include "server/send/path.h"
#include "server/send/tuning.h"

namespace ringserve {

struct Options {
  std::string root;
  std::vector<net::Address> listen;
  std::string congestion;  // empty: the system's, reno on loopback addresses
  unsigned threads = 1;
  send::PathName send_path = send::PathName::automatic;
  send::NamedTuning tuning = send::built_in_tuning();  // of auto
  send::Cork cork = send::Cork::automatic;
  std::vector<std::string> index_names = {"index.html"};
  files::FollowSymlinks follow_symlinks = files::FollowSymlinks::within;
  bool hidden = false;
  uint64_t memory_cache_bytes = 64 << 20;
  uint64_t open_files = 0;       // 0: from RLIMIT_NOFILE
  uint64_t max_connections = 0;  // 0: from RLIMIT_NOFILE
  unsigned header_timeout_s = 10;
  unsigned idle_timeout_s = 75;
  unsigned send_timeout_s = 60;
  unsigned drain_timeout_s = 30;
  bool print_listen = false;
};

// Fills `options`, or prints what --help, --version, --print-tuning or a mistake asks for and
// returns the exit status in `exit_status`.
bool parse_options(int argc, char** argv, Options& options, int& exit_status);

// The names of the command line, for the start-up line.
std::string_view name_of(send::PathName path);
std::string_view name_of(send::Cork cork);

}  // namespace ringserve
