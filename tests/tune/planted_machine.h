// A machine that is well for everything the tests expect of it, into which one value can be
// planted.
#pragma once

#include <string>

#include "client/tune/check/judge.h"

namespace tune_tests {

inline ringtune::Machine healthy_machine() {
  ringtune::Machine machine;
  machine.kernel = "6.18.1";
  machine.version = {6, 18};
  machine.memory_bytes = uint64_t{64} << 30;
  for (const ringtune::Parameter& parameter : ringtune::catalogue()) {
    if (parameter.gone.empty()) machine.values[parameter.name] = parameter.default_value;
  }
  machine.values["net.ipv4.tcp_congestion_control"] = "cubic";
  machine.values["net.ipv4.tcp_max_tw_buckets"] = "262144";
  machine.values["net.ipv4.tcp_max_orphans"] = "262144";
  machine.values["net.ipv4.tcp_max_syn_backlog"] = "4096";
  machine.values["net.ipv4.tcp_mem"] = "764688 1019587 1529376";
  machine.values["net.ipv4.tcp_wmem"] = "4096 16384 67108864";
  machine.values["net.ipv4.tcp_slow_start_after_idle"] = "0";
  machine.values["net.core.somaxconn"] = "65535";
  machine.values["net.netfilter.nf_conntrack_max"] = "262144";
  machine.values["RLIMIT_NOFILE"] = "1048576 1048576";
  machine.values["RLIMIT_MEMLOCK"] = "8388608 8388608";
  machine.values["fs.file-max"] = "6000000";
  machine.values["fs.inotify.max_user_watches"] = "524288";
  machine.values["user.max_user_namespaces"] = "63000";
  machine.listen_overflows = 0;
  machine.time_wait_overflows = 0;
  machine.backlog_drops = 0;
  machine.budget_squeezes = 0;
  machine.conntrack_entries = 0;
  machine.open_files = 2000;
  return machine;
}

inline ringtune::Expectation expect(const std::string& purpose, const std::string& text) {
  auto expected = ringtune::parse_expectation(purpose, text);
  if (!expected) throw std::runtime_error(expected.error().message());
  return *expected;
}

inline const ringtune::Finding& finding_of(const std::vector<ringtune::Finding>& findings,
                                           const std::string& name) {
  for (const ringtune::Finding& finding : findings) {
    if (finding.parameter->name == name) return finding;
  }
  throw std::runtime_error("no finding about " + name);
}

inline std::string names_of(const std::vector<ringtune::Finding>& findings,
                            ringtune::Verdict verdict) {
  std::string names;
  for (const ringtune::Finding& finding : findings) {
    if (finding.verdict != verdict) continue;
    names += (names.empty() ? "" : " ") + finding.parameter->name;
  }
  return names;
}

}  // namespace tune_tests
