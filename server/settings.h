// What may change while the workers run, and how it comes from options: at the start and with each
// reload. Main thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/net/result.h"
#include "server/clients/request_rate.h"
#include "server/log/access_log.h"
#include "server/options.h"
#include "server/sites.h"

namespace ringserve {

struct Timeouts {
  int64_t header_ms = 10'000;  // from the first byte of a request to its end
  int64_t idle_ms = 75'000;    // between requests
  int64_t send_ms = 60'000;    // without a byte taken
};

// What one client may have; 0 and the empty rate are no limit.
struct Limits {
  uint64_t requests_per_connection = 0;
  uint64_t send_rate_bytes_per_s = 0;  // at least, averaged over Timeouts::send_ms
  uint64_t connections_per_address = 0;
  clients::RequestRate request_rate{};  // of an address
  bool fair_share = false;              // addresses take turns, and not connections

  bool need_addresses() const {
    return connections_per_address > 0 || request_rate.is_on() || fair_share;
  }
};

struct Settings {
  std::shared_ptr<const Rules> rules;
  Timeouts timeouts;
  Limits limits;
  int64_t drain_ms = 0;
  ClosePolicy close = ClosePolicy::server;
  std::shared_ptr<log::AccessLog> log;  // null: none
};

class SettingsMaker {
 public:
  explicit SettingsMaker(const files::MediaTypes& system_types) : system_types_(system_types) {}

  // Everything is opened or nothing is changed. An access log that stays the same is kept.
  net::Result<Settings> make(const Options& options);

 private:
  net::Result<std::shared_ptr<log::AccessLog>> log_for(const Options& options);

  const files::MediaTypes& system_types_;
  uint32_t generation_ = 0;  // of the rules made last
  unsigned threads_ = 0;  // as the server was started: what a reload says waits for the next start
  std::shared_ptr<log::AccessLog> log_;
  std::string log_path_;
  LogFormat log_format_ = LogFormat::off;
  // Until no worker has them any more: a log's end may wait for its disk, which no worker may.
  std::vector<std::shared_ptr<log::AccessLog>> retired_logs_;
};

}  // namespace ringserve
