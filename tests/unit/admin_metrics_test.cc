// /metrics against a strict reader of the format, and that reader against texts that break it.
#include <gtest/gtest.h>

#include "server/admin/metrics.h"
#include "tests/support/metrics_text.h"
#include "tests/unit/admin_sample.h"

namespace ringserve::admin {
namespace {

using support::MetricsError;
using support::MetricsText;

TEST(MetricsReader, lets_nothing_pass_that_breaks_the_format) {
  const std::string head = "# HELP a x\n# TYPE a counter\n";
  EXPECT_NO_THROW(MetricsText(head + "a{b=\"c\",d=\"\\\"\\\\\\n\"} 1e3\n"));
  for (const char* bad :
       {"a 1", "1a 1\n", "a one\n", "a{b=c} 1\n", "a{b=\"c} 1\n", "a{b=\"\"\"} 1\n",
        "a{b=\"\\q\"} 1\n", "a{1b=\"c\"} 1\n", "a{b=\"c\",b=\"d\"} 1\n", "a 1\na 2\n",
        "# TYPE a counter\n", "# HELP a x\n", "a 1\n# TYPE a gauge\n", "b 1\n", "a  1\n", "\n",
        "# HELP b x\n# TYPE b gauge\nb 1\na 1\n", "# HELP b x\n# TYPE b number\nb 1\n",
        "# HELP b x\\q\n# TYPE b gauge\nb 1\n"}) {
    EXPECT_THROW(MetricsText(head + bad), MetricsError) << bad;
  }
}

TEST(Metrics, say_every_number_of_the_snapshot) {
  const MetricsText metrics(metrics_text(sample_snapshot()));
  const auto is = [&](const char* name, double value, const MetricsText::Labels& labels = {}) {
    EXPECT_EQ(metrics.value(std::string("ringserve_") + name, labels), value) << name;
  };
  is("build_info", 1, {{"version", "1.2.3"}, {"send_path", "auto"}});
  is("uptime_seconds", 90061.5);
  is("draining", 0);
  is("threads", 2);
  is("sites", 3);
  is("config_reloads_total", 4);
  is("config_reload_failures_total", 5);
  is("accepted_connections_total", 1006);
  is("requests_total", 119'000, {{"status", "200"}});
  is("requests_total", 1, {{"status", "500"}});
  is("sent_bytes_total", 9'000'000'008);
  is("copied_bytes_total", 1'000'009);
  is("body_bytes_total", 22, {{"path", "memory"}});
  is("body_bytes_total", 23, {{"path", "sendfile"}});
  is("accept_pauses_total", 10);
  is("tls_hellos_total", 38);
  is("cache_hits_total", 3011);
  is("cache_misses_total", 1012);
  is("cold_reads_total", 13);
  is("ring_overflows_total", 14);
  is("log_lines_dropped_total", 15);
  is("disk_errors_total", 16);
  is("truncated_files_total", 17);
  is("timeouts_total", 18, {{"kind", "header"}});
  is("timeouts_total", 19, {{"kind", "idle"}});
  is("timeouts_total", 20, {{"kind", "send"}});
  is("timeouts_total", 21, {{"kind", "linger"}});
  is("zero_copy_sends_total", 24);
  is("zero_copy_copied_total", 25);
  is("cpu_seconds_total", 26.5, {{"mode", "user"}});
  is("cpu_seconds_total", 27.25, {{"mode", "system"}});
  is("connections", 28);
  is("connections_max", 10029);
  is("cached_files", 30);
  is("cached_body_bytes", 31'000);
  is("descriptors", 32);
  is("descriptors_max", 1033);
  is("resident_memory_bytes", 34'000'000);
  is("time_wait_sockets", 35);
  is("listen_overflows_total", 36);
  is("listen_drops_total", 37);
  is("limited_total", 38, {{"kind", "connections_per_address"}});
  is("limited_total", 39, {{"kind", "requests_per_connection"}});
  is("limited_total", 40, {{"kind", "request_rate"}});
  is("limited_total", 41, {{"kind", "send_rate"}});
  is("client_addresses", 42);
}

TEST(Metrics, are_counters_exactly_where_the_name_says_total) {
  const MetricsText metrics(metrics_text(sample_snapshot()));
  for (const auto& [name, type] : metrics.types()) {
    EXPECT_EQ(name.ends_with("_total"), type == "counter") << name;
    EXPECT_TRUE(name.starts_with("ringserve_")) << name;
  }
}

TEST(Metrics, leave_out_what_the_kernel_does_not_say) {
  Snapshot snapshot = sample_snapshot();
  snapshot.time_wait_ours = snapshot.listen_overflows = snapshot.listen_drops = -1;
  const std::string text = metrics_text(snapshot);
  EXPECT_NO_THROW(MetricsText{text});
  for (const char* name : {"time_wait", "listen_overflows", "listen_drops"}) {
    EXPECT_EQ(text.find(name), std::string::npos) << name;
  }
}

TEST(Metrics, of_a_server_nobody_has_asked_anything_are_valid) {
  const MetricsText metrics(metrics_text(Snapshot{}));
  EXPECT_EQ(metrics.sum("ringserve_requests_total"), 0);
  EXPECT_EQ(metrics.type("ringserve_requests_total"), "counter");
  EXPECT_FALSE(metrics.has("ringserve_time_wait_sockets"));
}

TEST(Metrics, escape_labels) {
  Snapshot snapshot = sample_snapshot();
  snapshot.version = "a\"b\\c\nd}";
  const MetricsText metrics(metrics_text(snapshot));
  EXPECT_EQ(
      metrics.value("ringserve_build_info", {{"version", snapshot.version}, {"send_path", "auto"}}),
      1);
}

TEST(Metrics, say_that_the_server_is_draining) {
  Snapshot snapshot = sample_snapshot();
  snapshot.draining = true;
  EXPECT_EQ(MetricsText(metrics_text(snapshot)).value("ringserve_draining"), 1);
}

}  // namespace
}  // namespace ringserve::admin
