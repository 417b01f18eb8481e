// A reload is a start's reading, without the start: a bad file changes nothing.
#include "server/config/reload.h"

#include "server/config/assemble.h"

namespace ringserve::config {

net::Result<Options> reload(const Options& running) {
  if (running.config_path.empty()) {
    return net::fail("there is no configuration file to read again", 0, "start with --config FILE");
  }
  Mistakes mistakes;
  Loaded loaded = load(running.command_line, running.config_path, mistakes);
  require_roots(loaded, mistakes);
  if (count_errors(mistakes) > 0) return net::fail(in_one_line(mistakes, running.config_path), 0);
  return std::move(loaded.assembled.options);
}

std::vector<std::string> needs_restart(const Options& running, const Options& wanted) {
  std::vector<std::string> names;
  for (const Setting& setting : settings()) {
    if (setting.same && !setting.same(running, wanted)) names.push_back(setting.name);
  }
  return names;
}

void take_over(const Options& wanted, Options& running) {
  running.sites = wanted.sites;
  running.max_connections_per_address = wanted.max_connections_per_address;
  running.max_requests_per_connection = wanted.max_requests_per_connection;
  running.request_rate_per_address = wanted.request_rate_per_address;
  running.request_burst_per_address = wanted.request_burst_per_address;
  running.min_send_rate = wanted.min_send_rate;
  running.fair_share = wanted.fair_share;
  running.close = wanted.close;
  running.header_timeout_s = wanted.header_timeout_s;
  running.idle_timeout_s = wanted.idle_timeout_s;
  running.send_timeout_s = wanted.send_timeout_s;
  running.drain_timeout_s = wanted.drain_timeout_s;
  running.access_log_format = wanted.access_log_format;
  running.access_log_path = wanted.access_log_path;
}

}  // namespace ringserve::config
