// Checks by doing: a worker's sites are opened and thrown away, before any worker is told.
#include "server/settings.h"

#include "common/check.h"

namespace ringserve {
namespace {

log::Format format_of(LogFormat format) {
  switch (format) {
    case LogFormat::common: return log::Format::common;
    case LogFormat::combined: return log::Format::combined;
    case LogFormat::json: return log::Format::json;
    case LogFormat::off: break;
  }
  CHECK(false);
}

}  // namespace

net::Result<Settings> SettingsMaker::make(const Options& options) {
  if (threads_ == 0) threads_ = options.threads;
  Settings settings;
  settings.timeouts = {int64_t{1000} * options.header_timeout_s,
                       int64_t{1000} * options.idle_timeout_s,
                       int64_t{1000} * options.send_timeout_s};
  settings.limits = {
      options.max_requests_per_connection, options.min_send_rate,
      options.max_connections_per_address,
      clients::RequestRate::of(options.request_rate_per_address, options.request_burst_per_address),
      options.fair_share};
  settings.close = options.close;
  settings.drain_ms = int64_t{1000} * options.drain_timeout_s;
  settings.rules = Rules::make(options.sites, system_types_, ++generation_);
  if (auto sites = Sites::open(settings.rules, {}); !sites) return tl::unexpected(sites.error());
  auto log = log_for(options);
  if (!log) return tl::unexpected(log.error());
  settings.log = *log;

  std::erase_if(retired_logs_, [](const auto& retired) { return retired.use_count() == 1; });
  if (log_ != nullptr && log_ != *log) retired_logs_.push_back(std::move(log_));
  log_ = std::move(*log);
  log_path_ = options.access_log_path;
  log_format_ = options.access_log_format;
  return settings;
}

net::Result<std::shared_ptr<log::AccessLog>> SettingsMaker::log_for(const Options& options) {
  if (options.access_log_format == LogFormat::off) return std::shared_ptr<log::AccessLog>();
  const bool same =
      options.access_log_path == log_path_ && options.access_log_format == log_format_;
  if (same) return log_;
  auto log =
      log::AccessLog::open(options.access_log_path, format_of(options.access_log_format), threads_);
  if (!log) return tl::unexpected(log.error());
  return std::shared_ptr<log::AccessLog>(std::move(*log));
}

}  // namespace ringserve
