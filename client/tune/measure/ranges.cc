// Not limits of the kernel: the two ends of what is found in sysctl files, far enough apart for an
// effect to show. Congestion controls are those that every kernel has, and are no range at all.
#include "client/tune/measure/ranges.h"

#include <algorithm>
#include <array>

namespace ringtune {
namespace {

struct Entry {
  std::string_view name;
  std::string_view low;
  std::string_view high;
};

constexpr std::array kRanges{
    Entry{"net.core.somaxconn", "128", "65535"},
    Entry{"net.ipv4.ip_local_port_range", "32768 60999", "1024 65535"},
    Entry{"net.ipv4.tcp_abort_on_overflow", "0", "1"},
    Entry{"net.ipv4.tcp_autocorking", "0", "1"},
    Entry{"net.ipv4.tcp_ecn", "0", "1"},
    Entry{"net.ipv4.tcp_fastopen", "1", "3"},
    Entry{"net.ipv4.tcp_fin_timeout", "5", "60"},
    Entry{"net.ipv4.tcp_keepalive_time", "60", "7200"},
    Entry{"net.ipv4.tcp_limit_output_bytes", "131072", "4194304"},
    Entry{"net.ipv4.tcp_max_syn_backlog", "128", "65535"},
    Entry{"net.ipv4.tcp_max_tw_buckets", "8192", "262144"},
    Entry{"net.ipv4.tcp_moderate_rcvbuf", "0", "1"},
    Entry{"net.ipv4.tcp_mtu_probing", "0", "1"},
    Entry{"net.ipv4.tcp_no_metrics_save", "0", "1"},
    Entry{"net.ipv4.tcp_notsent_lowat", "16384", "4294967295"},
    Entry{"net.ipv4.tcp_rmem", "4096 131072 262144", "4096 131072 33554432"},
    Entry{"net.ipv4.tcp_sack", "0", "1"},
    Entry{"net.ipv4.tcp_slow_start_after_idle", "0", "1"},
    Entry{"net.ipv4.tcp_syncookies", "0", "1"},
    Entry{"net.ipv4.tcp_timestamps", "0", "1"},
    Entry{"net.ipv4.tcp_tw_reuse", "0", "1"},
    Entry{"net.ipv4.tcp_window_scaling", "0", "1"},
    Entry{"net.ipv4.tcp_wmem", "4096 16384 65536", "4096 16384 4194304"},
};

}  // namespace

std::optional<Range> usual_range(std::string_view name) {
  const auto found = std::find_if(kRanges.begin(), kRanges.end(),
                                  [name](const Entry& one) { return one.name == name; });
  if (found == kRanges.end()) return std::nullopt;
  return Range{std::string(found->low), std::string(found->high)};
}

}  // namespace ringtune
