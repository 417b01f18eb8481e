// What the command line and the configuration file ask for, checked: every value is in its range
// and in the unit of its name. A reload makes new Options.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/net/address.h"
#include "server/config/layer.h"
#include "server/config/site_config.h"
#include "server/send/path.h"
#include "server/send/tuning.h"

namespace ringserve {

enum class LogFormat { off, common, combined, json };
// Who ends a connection that is to end.
enum class ClosePolicy {
  server,  // the server, at once
  client,  // the client, where it is told that it may; the server if it does not
  reset    // the server, with a reset, once the client has acknowledged everything
};
enum class SandboxMode { automatic, on, off };

struct Options {
  std::vector<config::SiteConfig> sites;  // at least one; the first answers for unknown names
  std::string config_path;                // empty: everything is from the command line
  std::vector<net::Address> listen;
  bool listen_by_default = false;  // nobody has said where
  std::string congestion;          // empty: the system's, reno on loopback addresses
  unsigned threads = 1;
  send::PathName send_path = send::PathName::automatic;
  send::NamedTuning tuning = send::built_in_tuning();  // of auto
  send::Cork cork = send::Cork::automatic;
  uint64_t memory_cache_bytes = 64 << 20;
  uint64_t open_files = 0;                   // 0: from RLIMIT_NOFILE
  uint64_t max_connections = 0;              // 0: from RLIMIT_NOFILE
  uint64_t max_connections_per_address = 0;  // 0: no limit
  uint64_t max_requests_per_connection = 0;  // 0: no limit
  uint64_t request_rate_per_address = 0;     // a second; 0: no limit
  uint64_t request_burst_per_address = 0;    // 0: as many as a second allows
  uint64_t min_send_rate = 256;              // bytes a second; 0: no limit
  bool fair_share = false;                   // of addresses, not of connections
  unsigned header_timeout_s = 10;
  unsigned idle_timeout_s = 75;
  unsigned send_timeout_s = 60;
  unsigned drain_timeout_s = 30;
  bool print_listen = false;
  std::string user;  // "NAME[:GROUP]" that rights are given up for; empty: they are kept
  ClosePolicy close = ClosePolicy::server;
  SandboxMode sandbox = SandboxMode::automatic;
  LogFormat access_log_format = LogFormat::off;
  std::string access_log_path = "-";  // "-": stdout
  std::vector<net::Address> admin;    // empty: none
  bool admin_public = false;          // `admin` may hold addresses that are not loopback
  config::Layer command_line;         // as it was given, for config::reload()
};

// Fills `options` from the command line and the file it names, or does what `ringserve check`,
// --help, --version, --print-tuning or a mistake asks for and returns the exit status in
// `exit_status`.
bool parse_options(int argc, char** argv, Options& options, int& exit_status);

// The names of the command line, for the start-up line.
std::string_view name_of(send::PathName path);
std::string_view name_of(send::Cork cork);
std::string_view name_of(LogFormat format);
std::string_view name_of(SandboxMode mode);

}  // namespace ringserve
