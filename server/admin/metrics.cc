// One block for each metric: HELP, TYPE, then a line for each set of labels. Names carry their
// unit, counters end in _total. It relies on nothing but the Snapshot; a name, once published, must
// never change, since dashboards and alerts are written against it.
#include "server/admin/metrics.h"

#include <fmt/format.h>

#include <iterator>
#include <utility>

namespace ringserve::admin {
namespace {

class Writer {
 public:
  // What follows are the samples of this metric, until the next one is begun.
  void begin(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    append("# HELP ringserve_{0} {2}\n# TYPE ringserve_{0} {1}\n", name, type, help);
  }
  template <typename Value>
  void sample(Value value) {
    append("ringserve_{} {}\n", name_, value);
  }
  template <typename Value>
  void sample(std::string_view label, std::string_view label_value, Value value) {
    append("ringserve_{}{{{}=\"{}\"}} {}\n", name_, label, escaped_label(label_value), value);
  }

  // Metrics of a single sample.
  void counter(std::string_view name, std::string_view help, uint64_t value) {
    begin(name, "counter", help);
    sample(value);
  }
  template <typename Value>
  void gauge(std::string_view name, std::string_view help, Value value) {
    begin(name, "gauge", help);
    sample(value);
  }

  void build_info(const Snapshot& now) {
    begin("build_info", "gauge", "Always 1; what runs is in the labels.");
    append("ringserve_build_info{{version=\"{}\",send_path=\"{}\"}} 1\n",
           escaped_label(now.version), escaped_label(now.send_path));
  }

  std::string take() { return std::move(text_); }

 private:
  template <typename... Values>
  void append(fmt::format_string<Values...> form, Values&&... values) {
    fmt::format_to(std::back_inserter(text_), form, std::forward<Values>(values)...);
  }

  std::string text_;
  std::string_view name_;
};

void write_server(const Snapshot& now, Writer& out) {
  out.build_info(now);
  out.gauge("uptime_seconds", "Time since the server was ready.", now.uptime_s);
  out.gauge("draining", "1 while the server finishes its connections before it ends.",
            now.draining ? 1 : 0);
  out.gauge("threads", "Workers, each a thread with a ring.", now.threads);
  out.gauge("sites", "Sites that are served.", now.sites);
  out.counter("config_reloads_total", "Configurations put into force by SIGHUP.",
              now.config_reloads);
  out.counter("config_reload_failures_total",
              "Configurations that were refused, the old one being kept.",
              now.config_reload_failures);
}

void write_traffic(const Snapshot& now, Writer& out) {
  out.begin("requests_total", "counter", "Requests answered, by status.");
  for (const auto& [status, count] : now.by_status) {
    out.sample("status", fmt::to_string(status), count);
  }
  out.counter("sent_bytes_total", "Bytes handed to sockets, heads and bodies.", now.sent_bytes);
  out.begin("body_bytes_total", "counter", "Bytes of bodies, by what moved them.");
  for (const auto& [path, bytes] : now.by_path) out.sample("path", path, bytes);
  out.counter("copied_bytes_total",
              "Of the bytes sent, those that were copied through user memory.", now.copied_bytes);
  out.counter("zero_copy_sends_total", "Sends asked of IORING_OP_SEND_ZC.", now.zero_copy_sends);
  out.counter("zero_copy_copied_total", "Of these, those the kernel copied nevertheless.",
              now.zero_copy_copied);
}

void write_connections(const Snapshot& now, Writer& out) {
  out.gauge("connections", "Open connections.", now.connections_open);
  out.gauge("connections_max", "How many may be open (--max-connections).", now.connections_max);
  out.counter("accepted_connections_total", "Connections accepted.", now.connections_total);
  out.counter("accept_pauses_total",
              "Times that accepting paused for want of descriptors or of room.", now.accept_pauses);
  out.counter("tls_hellos_total",
              "Connections closed because they began with TLS, which these ports do not speak.",
              now.tls_hellos);
  out.begin("timeouts_total", "counter",
            "Connections ended because time was up, by what was late.");
  for (size_t kind = 0; kind < kTimeouts; ++kind) {
    out.sample("kind", kTimeoutKinds[kind], now.timeouts[kind]);
  }
  out.begin("limited_total", "counter",
            "Connections refused or ended and requests refused by a client's limit, by which.");
  for (size_t kind = 0; kind < kLimits; ++kind) {
    out.sample("kind", kLimitKinds[kind], now.limited[kind]);
  }
  out.gauge("client_addresses", "Addresses that are remembered because they are limited.",
            now.client_addresses);
}

void write_files(const Snapshot& now, Writer& out) {
  out.counter("cache_hits_total", "Look-ups answered by the cache of open files.", now.cache_hits);
  out.counter("cache_misses_total", "Look-ups that had to open a file or failed.",
              now.cache_misses);
  out.gauge("cached_files", "Files held open by the caches.", now.cached_files);
  out.gauge("cached_body_bytes", "Bytes of bodies held in memory.", now.cached_body_bytes);
  out.counter("cold_reads_total", "Windows of files that had to come from the disk.",
              now.cold_reads);
  out.counter("disk_errors_total", "Reads of files that failed.", now.disk_errors);
  out.counter("truncated_files_total",
              "Responses cut off because their file had become shorter meanwhile.",
              now.truncated_files);
}

void write_process(const Snapshot& now, Writer& out) {
  out.begin("cpu_seconds_total", "counter", "CPU time of the process, by mode.");
  out.sample("mode", "user", now.cpu_user_s);
  out.sample("mode", "system", now.cpu_system_s);
  out.gauge("resident_memory_bytes", "Memory of the process that is in RAM.", now.rss_bytes);
  out.gauge("descriptors", "Open file descriptors of the process.", now.descriptors_open);
  out.gauge("descriptors_max", "How many may be open (RLIMIT_NOFILE).", now.descriptors_max);
  out.counter("ring_overflows_total",
              "Times that the kernel kept completions back because a completion queue was full.",
              now.ring_overflows);
  out.counter("log_lines_dropped_total",
              "Lines of the access log that were lost because it could not be written in time.",
              now.log_lines_dropped);
}

// Not of this process alone, and not on every kernel.
void write_kernel(const Snapshot& now, Writer& out) {
  if (now.time_wait_ours >= 0) {
    out.gauge("time_wait_sockets", "Sockets in TIME_WAIT at the ports that are listened on.",
              now.time_wait_ours);
  }
  if (now.listen_overflows >= 0) {
    out.counter("listen_overflows_total",
                "Connections lost to a full accept queue, of the whole network namespace.",
                static_cast<uint64_t>(now.listen_overflows));
  }
  if (now.listen_drops >= 0) {
    out.counter("listen_drops_total",
                "Connections lost by listeners for any reason, of the whole network namespace.",
                static_cast<uint64_t>(now.listen_drops));
  }
}

}  // namespace

std::string escaped_label(std::string_view text) {
  std::string safe;
  for (const char byte : text) {
    switch (byte) {
      case '\\': safe += "\\\\"; break;
      case '"': safe += "\\\""; break;
      case '\n': safe += "\\n"; break;
      default: safe += byte;
    }
  }
  return safe;
}

std::string metrics_text(const Snapshot& snapshot) {
  Writer out;
  write_server(snapshot, out);
  write_traffic(snapshot, out);
  write_connections(snapshot, out);
  write_files(snapshot, out);
  write_process(snapshot, out);
  write_kernel(snapshot, out);
  return out.take();
}

}  // namespace ringserve::admin
