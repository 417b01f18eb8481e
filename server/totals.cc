// Sums; nothing else.
#include "server/totals.h"

#include <fmt/format.h>

namespace ringserve {

void Totals::add(const Statistics& part, const send::Counters& path) {
  sum_.connections_total += part.connections.get();
  sum_.requests += part.requests.get();
  sum_.sent_bytes += part.sent_bytes.get();
  sum_.copied_bytes += part.copied_bytes.get();
  sum_.accept_pauses += part.accept_pauses.get();
  sum_.tls_hellos += part.tls_hellos.get();
  sum_.cache_hits += part.cache_hits.get();
  sum_.cache_misses += part.cache_misses.get();
  sum_.cold_reads += path.cold_reads.get();
  sum_.ring_overflows += part.ring_overflows.get();
  sum_.config_reload_failures += part.reload_failures.get();
  sum_.log_lines_dropped += part.log_lines_dropped.get();
  sum_.disk_errors += part.disk_errors.get();
  sum_.truncated_files += part.truncated_files.get();
  sum_.zero_copy_sends += path.zero_copy_sends.get();
  sum_.zero_copy_copied += path.zero_copy_copied.get();
  sum_.cached_files += part.cached_files.get();
  sum_.cached_body_bytes += part.cached_body_bytes.get();
  for (size_t i = 0; i < kTimeouts; ++i) sum_.timeouts[i] += part.timeouts[i].get();
  for (size_t i = 0; i < kLimits; ++i) sum_.limited[i] += part.limited[i].get();
  for (size_t i = 0; i < by_status_.size(); ++i) by_status_[i] += part.by_status[i].get();
  for (size_t i = 0; i < by_mover_.size(); ++i) by_mover_[i] += part.body_bytes_by[i].get();
}

admin::Snapshot Totals::snapshot() const {
  admin::Snapshot snapshot = sum_;
  for (size_t i = 0; i < by_status_.size(); ++i) {
    const int status = Statistics::kStatusFirst + static_cast<int>(i);
    if (by_status_[i] > 0) snapshot.by_status.emplace_back(status, by_status_[i]);
  }
  for (size_t i = 0; i < by_mover_.size(); ++i) {
    snapshot.by_path.emplace_back(send::kMoverNames[i], by_mover_[i]);
  }
  return snapshot;
}

std::string summary_of(const admin::Snapshot& total) {
  std::string text = fmt::format("served {} requests on {} connections, {} bytes", total.requests,
                                 total.connections_total, total.sent_bytes);
  if (total.zero_copy_sends > 0) {
    text += fmt::format("; of {} zero-copy sends the kernel copied {}", total.zero_copy_sends,
                        total.zero_copy_copied);
  }
  if (total.log_lines_dropped > 0) {
    text += fmt::format("; {} lines of the access log were dropped", total.log_lines_dropped);
  }
  return text;
}

}  // namespace ringserve
