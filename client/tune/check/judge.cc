// The table of judges, and what is said of parameters that have none.
#include "client/tune/check/judge.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "client/tune/check/judges.h"
#include "client/tune/conf/values.h"

namespace ringtune {
namespace {

struct Entry {
  std::string_view name;
  Judge judge;
};

constexpr std::array kJudges = {
    Entry{"net.ipv4.ip_local_port_range", judge_port_range},
    Entry{"net.ipv4.ip_local_reserved_ports", judge_reserved_ports},
    Entry{"net.ipv4.tcp_tw_reuse", judge_tw_reuse},
    Entry{"net.ipv4.tcp_tw_reuse_delay", judge_tw_reuse_delay},
    Entry{"net.ipv4.tcp_max_tw_buckets", judge_tw_buckets},
    Entry{"net.ipv4.tcp_max_orphans", judge_max_orphans},
    Entry{"net.core.somaxconn", judge_somaxconn},
    Entry{"net.ipv4.tcp_max_syn_backlog", judge_syn_backlog},
    Entry{"net.ipv4.tcp_syncookies", judge_syncookies},
    Entry{"net.ipv4.tcp_abort_on_overflow", judge_abort_on_overflow},
    Entry{"net.ipv4.tcp_rmem", judge_rmem},
    Entry{"net.ipv4.tcp_wmem", judge_wmem},
    Entry{"net.ipv4.tcp_mem", judge_tcp_mem},
    Entry{"net.ipv4.tcp_moderate_rcvbuf", judge_moderate_rcvbuf},
    Entry{"net.ipv4.tcp_window_scaling", judge_window_scaling},
    Entry{"net.ipv4.tcp_notsent_lowat", judge_notsent_lowat},
    Entry{"net.ipv4.tcp_limit_output_bytes", judge_limit_output},
    Entry{"net.ipv4.tcp_congestion_control", judge_congestion},
    Entry{"net.ipv4.tcp_slow_start_after_idle", judge_after_idle},
    Entry{"net.ipv4.tcp_timestamps", judge_timestamps},
    Entry{"net.ipv4.tcp_keepalive_time", judge_keepalive_time},
    Entry{"net.ipv4.tcp_retries2", judge_retries2},
    Entry{"net.core.netdev_max_backlog", judge_device_backlog},
    Entry{"net.core.netdev_budget", judge_device_budget},
    Entry{"net.netfilter.nf_conntrack_max", judge_conntrack},
    Entry{"RLIMIT_NOFILE", judge_nofile},
    Entry{"RLIMIT_MEMLOCK", judge_memlock},
    Entry{"fs.file-max", judge_file_max},
    Entry{"fs.nr_open", judge_nr_open},
    Entry{"fs.pipe-max-size", judge_pipe_max_size},
    Entry{"fs.pipe-user-pages-soft", judge_pipe_pages},
    Entry{"kernel.io_uring_disabled", judge_io_uring},
    Entry{"fs.inotify.max_user_watches", judge_watches},
};

bool concerns(const Parameter& parameter, const Expectation& expected) {
  return (parameter.for_serve && expected.serve) || (parameter.for_load && expected.load) ||
         // Over loopback both ends are here, whichever of them was asked about.
         (expected.loopback && (parameter.for_serve || parameter.for_load));
}

// A value that is refused by name, and is there all the same.
std::optional<Opinion> opinion_of_refused(const Parameter& parameter, std::string_view present) {
  for (const Refusal& refusal : parameter.refusals) {
    if (!same_value(parameter.name, refusal.when, present)) continue;
    std::optional<std::string> wanted;
    if (!parameter.default_value.empty()) wanted = parameter.default_value;
    return Opinion{Verdict::tight, refusal.why, "set the kernel's own value", wanted};
  }
  return std::nullopt;
}

Opinion opinion_of(const Parameter& parameter, const Machine& machine,
                   const Expectation& expected) {
  const auto why = machine.unreadable.find(parameter.name);
  if (why != machine.unreadable.end()) return {Verdict::unasked, why->second};
  if (machine.values.find(parameter.name) == machine.values.end()) {
    return no_matter("not on this kernel, or not in this namespace: " + parameter.brief);
  }
  const Judge judge = judge_of(parameter.name);
  if (judge == nullptr) {
    auto refused = opinion_of_refused(parameter, machine.value(parameter.name));
    if (refused) return *refused;
  }
  if (judge == nullptr || !concerns(parameter, expected)) return no_matter(parameter.brief);
  return judge(machine, expected);
}

std::string with_unit(double value, double step, const char* const* units, size_t count) {
  size_t unit = 0;
  while (value >= step * 0.9995 && unit + 1 < count) {
    value /= step;
    ++unit;
  }
  const int decimals = value < 9.995 && value != std::floor(value) ? 1 : 0;
  return fmt::format("{:.{}f}{}", value, decimals, units[unit]);
}

}  // namespace

Judge judge_of(std::string_view name) {
  const auto found = std::find_if(kJudges.begin(), kJudges.end(),
                                  [name](const Entry& entry) { return entry.name == name; });
  return found == kJudges.end() ? nullptr : found->judge;
}

std::vector<Finding> judge(const Machine& machine, const Expectation& expected) {
  std::vector<Finding> findings;
  for (const Parameter& parameter : catalogue()) {
    if (!parameter.gone.empty()) continue;
    Opinion opinion = opinion_of(parameter, machine, expected);
    Finding finding{&parameter,
                    std::string(machine.value(parameter.name)),
                    opinion.verdict,
                    std::move(opinion.arithmetic),
                    std::move(opinion.advice),
                    std::move(opinion.wanted)};
    if (finding.wanted && lowers(parameter, finding.present, *finding.wanted)) {
      finding.wanted.reset();
    }
    findings.push_back(std::move(finding));
  }
  return findings;
}

std::string_view verdict_word(Verdict verdict) {
  switch (verdict) {
    case Verdict::breaks: return "breaks";
    case Verdict::tight: return "tight";
    case Verdict::ok: return "ok";
    case Verdict::unasked: return "unasked";
    case Verdict::no_matter: return "no matter";
  }
  return "";
}

std::string count_text(double count) { return fmt::format("{:.0f}", count); }

std::string bytes_text(double bytes) {
  static constexpr const char* kUnits[] = {" bytes", " KiB", " MiB", " GiB", " TiB"};
  return with_unit(bytes, 1024, kUnits, std::size(kUnits));
}

std::string bits_text(double bit_per_s) {
  static constexpr const char* kUnits[] = {" bit/s", " kbit/s", " Mbit/s", " Gbit/s", " Tbit/s"};
  return with_unit(bit_per_s, 1000, kUnits, std::size(kUnits));
}

std::string rate_text(double per_s) {
  if (per_s >= 10) return fmt::format("{:.0f}", std::floor(per_s));
  return fmt::format("{:.2g}", per_s);
}

uint64_t power_of_two_from(uint64_t least) { return std::bit_ceil(least); }

}  // namespace ringtune
