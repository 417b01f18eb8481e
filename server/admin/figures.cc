// Text only. It relies on the Snapshot and the History; what is alarming is decided here and
// nowhere else.
#include "server/admin/figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "server/admin/metrics.h"
#include "server/http/reply.h"

namespace ringserve::admin {
namespace {

constexpr int kServerErrorFirst = 500;
constexpr double kDescriptorsShareAlarming = 0.9;

std::string share_text(uint64_t part, uint64_t whole) {
  if (whole == 0) return "";
  return fmt::format("{:.1f} %", 100 * static_cast<double>(part) / static_cast<double>(whole));
}

// A rate is shown without decimals once they are noise.
std::string rate_text(double rate_per_s) {
  return rate_per_s < 100 ? fmt::format("{:.1f}", rate_per_s)
                          : grouped(static_cast<uint64_t>(std::llround(rate_per_s)));
}

Figure count(std::string label, uint64_t number, std::string remark = {}) {
  return {std::move(label), grouped(number), std::move(remark)};
}

// A count that is 0 where all is well.
Figure trouble(std::string label, uint64_t number, std::string remark) {
  return {std::move(label), grouped(number), std::move(remark), number > 0};
}

Table answers(const Snapshot& now) {
  Table table{"Responses", {}};
  uint64_t all = 0;
  for (const auto& [status, number] : now.by_status) all += number;
  for (const auto& [status, number] : now.by_status) {
    Figure row = count(fmt::format("{} {}", status, http::reason_phrase(status)), number,
                       share_text(number, all));
    row.alarming = status >= kServerErrorFirst;
    table.rows.push_back(std::move(row));
  }
  if (table.rows.empty()) table.rows.push_back({"no request yet", "0"});
  return table;
}

Table bodies(const Snapshot& now) {
  Table table{"Bytes", {}};
  table.rows.push_back({"sent", bytes_text(static_cast<double>(now.sent_bytes))});
  table.rows.push_back({"copied in user space", bytes_text(static_cast<double>(now.copied_bytes)),
                        share_text(now.copied_bytes, now.sent_bytes)});
  for (const auto& [path, bytes] : now.by_path) {
    table.rows.push_back({"bodies by " + path, bytes_text(static_cast<double>(bytes))});
  }
  if (now.zero_copy_sends > 0) {
    table.rows.push_back(count("zero-copy sends", now.zero_copy_sends));
    table.rows.push_back(count("copied nevertheless", now.zero_copy_copied,
                               share_text(now.zero_copy_copied, now.zero_copy_sends)));
  }
  return table;
}

Table files(const Snapshot& now) {
  const uint64_t lookups = now.cache_hits + now.cache_misses;
  return {"Files",
          {count("held open", now.cached_files),
           {"bodies in memory", bytes_text(static_cast<double>(now.cached_body_bytes))},
           count("cache hits", now.cache_hits, share_text(now.cache_hits, lookups)),
           count("cache misses", now.cache_misses, share_text(now.cache_misses, lookups)),
           count("cold reads", now.cold_reads, "from the disk")}};
}

Table connections(const Snapshot& now) {
  Table table{"Connections",
              {count("open", now.connections_open),
               count("at most", now.connections_max, "--max-connections"),
               count("accepted", now.connections_total)}};
  for (size_t kind = 0; kind < kTimeouts; ++kind) {
    table.rows.push_back(
        count(fmt::format("{} timeouts", kTimeoutKinds[kind]), now.timeouts[kind]));
  }
  if (now.time_wait_ours >= 0) {
    table.rows.push_back(count("in TIME_WAIT", static_cast<uint64_t>(now.time_wait_ours)));
  }
  return table;
}

Table limits(const Snapshot& now) {
  const auto met = [&](Limit limit) { return now.limited[static_cast<size_t>(limit)]; };
  return {"Limits of clients",
          {count("connections refused", met(Limit::connections_per_address), "of an address"),
           count("requests refused", met(Limit::request_rate), "429, of an address"),
           count("too slow readers reset", met(Limit::send_rate), "--min-send-rate"),
           count("connections used up", met(Limit::requests_per_connection), "requests"),
           count("addresses remembered", now.client_addresses)}};
}

// What the kernel counts since its start is shown since ours.
uint64_t grown(int64_t first, int64_t now) {
  return static_cast<uint64_t>(std::max<int64_t>(0, now - std::max<int64_t>(0, first)));
}

Table troubles(const Snapshot& now, const History& history) {
  Table table{"Trouble",
              {trouble("accept pauses", now.accept_pauses, "no descriptors or room"),
               trouble("TLS on a plain port", now.tls_hellos, "use http:// URLs"),
               trouble("ring overflows", now.ring_overflows, "completions kept back"),
               trouble("disk errors", now.disk_errors, ""),
               trouble("truncated files", now.truncated_files, "cut while being sent"),
               trouble("log lines dropped", now.log_lines_dropped, ""),
               trouble("reloads refused", now.config_reload_failures, "at SIGHUP")}};
  if (now.listen_overflows >= 0) {
    table.rows.push_back(trouble("listen overflows",
                                 grown(history.first().listen_overflows, now.listen_overflows),
                                 "of the namespace"));
  }
  if (now.listen_drops >= 0) {
    table.rows.push_back(trouble(
        "listen drops", grown(history.first().listen_drops, now.listen_drops), "of the namespace"));
  }
  return table;
}

Table process(const Snapshot& now) {
  Figure descriptors = count("descriptors", now.descriptors_open,
                             fmt::format("of {}", grouped(now.descriptors_max)));
  descriptors.alarming = static_cast<double>(now.descriptors_open) >
                         kDescriptorsShareAlarming * static_cast<double>(now.descriptors_max);
  return {"Process",
          {{"memory", bytes_text(static_cast<double>(now.rss_bytes)), "resident"},
           std::move(descriptors),
           {"CPU, user", fmt::format("{:.1f} s", now.cpu_user_s)},
           {"CPU, system", fmt::format("{:.1f} s", now.cpu_system_s)},
           count("threads", now.threads),
           count("sites", now.sites),
           count("reloads", now.config_reloads, "at SIGHUP")}};
}

}  // namespace

std::vector<Figure> headline(const Snapshot& now, const History& history) {
  const Sample last = history.samples().empty() ? Sample{} : history.samples().back();
  const double cpu_percent = last.cpu_user_percent + last.cpu_system_percent;
  return {{"requests/s", rate_text(last.requests_per_s), grouped(now.requests) + " in all"},
          {"sent/s", bytes_text(last.sent_bytes_per_s),
           bytes_text(static_cast<double>(now.sent_bytes)) + " in all"},
          {"open connections", grouped(now.connections_open), "of " + grouped(now.connections_max)},
          {"CPU", fmt::format("{:.0f} %", cpu_percent), "of one core"},
          {"memory", bytes_text(static_cast<double>(now.rss_bytes)), "resident"},
          {"up for", duration_text(now.uptime_s), now.draining ? "draining" : "", now.draining}};
}

std::vector<Table> tables(const Snapshot& now, const History& history) {
  return {answers(now), connections(now),       bodies(now), files(now),
          limits(now),  troubles(now, history), process(now)};
}

std::string grouped(uint64_t number) {
  std::string text = fmt::to_string(number);
  for (size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return text;
}

std::string bytes_text(double bytes) {
  constexpr std::array kUnits = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  size_t unit = 0;
  // 999.95 would be shown as 1000.
  while (bytes >= 999.95 && unit + 1 < kUnits.size()) {
    bytes /= 1000;
    ++unit;
  }
  if (unit == 0) return fmt::format("{:.0f} B", bytes);
  return fmt::format("{:.{}f} {}", bytes, bytes < 10 ? 2 : 1, kUnits[unit]);
}

std::string duration_text(double duration_s) {
  const auto seconds = static_cast<uint64_t>(std::max(0.0, duration_s));
  const uint64_t minutes = seconds / 60, hours = minutes / 60, days = hours / 24;
  if (days > 0) return fmt::format("{} d {} h", grouped(days), hours % 24);
  if (hours > 0) return fmt::format("{} h {} min", hours, minutes % 60);
  if (minutes > 0) return fmt::format("{} min {} s", minutes, seconds % 60);
  return fmt::format("{} s", seconds);
}

}  // namespace ringserve::admin
