// A snapshot with a number of its own in every field, so that a test notices a mix-up.
#pragma once

#include "server/admin/snapshot.h"

inline ringserve::admin::Snapshot sample_snapshot() {
  ringserve::admin::Snapshot sample;
  sample.version = "1.2.3";
  sample.send_path = "auto";
  sample.uptime_s = 90061.5;
  sample.threads = 2;
  sample.sites = 3;
  sample.config_reloads = 4;
  sample.config_reload_failures = 5;
  sample.connections_total = 1006;
  sample.requests = 120'007;
  sample.sent_bytes = 9'000'000'008;
  sample.copied_bytes = 1'000'009;
  sample.accept_pauses = 10;
  sample.tls_hellos = 38;
  sample.cache_hits = 3011;
  sample.cache_misses = 1012;
  sample.cold_reads = 13;
  sample.ring_overflows = 14;
  sample.log_lines_dropped = 15;
  sample.disk_errors = 16;
  sample.truncated_files = 17;
  sample.timeouts = {18, 19, 20, 21};
  sample.by_status = {{200, 119'000}, {304, 1000}, {404, 6}, {500, 1}};
  sample.by_path = {{"memory", 22}, {"sendfile", 23}};
  sample.zero_copy_sends = 24;
  sample.zero_copy_copied = 25;
  sample.cpu_user_s = 26.5;
  sample.cpu_system_s = 27.25;
  sample.connections_open = 28;
  sample.connections_max = 10029;
  sample.cached_files = 30;
  sample.cached_body_bytes = 31'000;
  sample.descriptors_open = 32;
  sample.descriptors_max = 1033;
  sample.rss_bytes = 34'000'000;
  sample.time_wait_ours = 35;
  sample.listen_overflows = 36;
  sample.listen_drops = 37;
  sample.limited = {38, 39, 40, 41};
  sample.client_addresses = 42;
  return sample;
}
