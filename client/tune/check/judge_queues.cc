// Where connections and packets wait: the listen queue, the device's backlog, connection tracking.
#include <algorithm>
#include <cmath>

#include "client/tune/check/judges.h"

namespace ringtune {
namespace {

constexpr int64_t kServerBacklog = 65'535;  // what ringserve asks of listen()
constexpr double kConntrackTimeWaitDefaultS = 120;

// Without a burst that was said: a second's worth, as when the server stands still for a second.
std::optional<double> burst_of(const Expectation& expected) {
  if (expected.burst) return static_cast<double>(*expected.burst);
  if (expected.new_per_s) return std::ceil(*expected.new_per_s);
  return std::nullopt;
}

std::string overflows_text(const Machine& machine) {
  if (!machine.listen_overflows || *machine.listen_overflows == 0) return {};
  return fmt::format("; {} overflows so far (ListenOverflows)", *machine.listen_overflows);
}

std::optional<double> half_open_of(const Expectation& expected) {
  if (!expected.new_per_s || !expected.rtt_ms) return std::nullopt;
  return std::ceil(*expected.new_per_s * *expected.rtt_ms / 1000);
}

}  // namespace

// The sysctl may be as large as it likes: a listener keeps what it got from listen().
std::optional<Opinion> judge_listeners(const Machine& machine, const Expectation& expected,
                                       double burst) {
  if (!expected.port) return std::nullopt;
  for (const Listener& listener : machine.listeners) {
    if (listener.port != *expected.port || burst <= static_cast<double>(listener.backlog) + 1) {
      continue;
    }
    return Opinion{
        Verdict::breaks,
        fmt::format("{} wait in the queue of {}, which holds {} + 1: the listener asked for no "
                    "more, or has not called listen() since this was raised",
                    count_text(burst), listener.address, listener.backlog),
        "raise the server's own backlog (ringserve asks for 65535), and restart it"};
  }
  return std::nullopt;
}

Opinion judge_somaxconn(const Machine& machine, const Expectation& expected) {
  if (!expected.serve && !expected.loopback) return no_matter("the server's, on its machine");
  const auto somaxconn = machine.number("net.core.somaxconn");
  if (!somaxconn) return unreadable();
  const int64_t backlog = std::min(*somaxconn, kServerBacklog);
  const double room = static_cast<double>(backlog) + 1;  // greater than, not at least
  const auto burst = burst_of(expected);
  if (!burst) return unasked("burst or new_per_s");
  std::string arithmetic = fmt::format(
      "{} wait ({}) in a queue of min({}, the server's backlog) + 1 = {:.0f}", count_text(*burst),
      expected.burst ? "a burst" : "of a second that the server stands still", *somaxconn, room);
  arithmetic += overflows_text(machine);
  const double all = static_cast<double>(expected.connections.value_or(0));
  const double needed = std::max(*burst, std::min(all, static_cast<double>(kServerBacklog)));
  const std::string wanted = std::to_string(std::min<uint64_t>(
      power_of_two_from(static_cast<uint64_t>(std::max(needed, 1.0))), kServerBacklog));
  const std::string advice =
      "raise it, and the server's own backlog (ringserve asks for 65535), and restart the server";
  if (*burst > room) {
    if (room > static_cast<double>(kServerBacklog)) {
      return {Verdict::breaks, arithmetic, "no queue is longer: accept faster, more listeners"};
    }
    return {Verdict::breaks, arithmetic + ": SYNs are dropped, clients wait 1 s", advice, wanted};
  }
  if (auto opinion = judge_listeners(machine, expected, *burst)) return *opinion;
  if (all > room) {
    return {Verdict::tight,
            fmt::format("{}; if all {} come back at once, SYNs are dropped", arithmetic,
                        *expected.connections),
            advice, wanted};
  }
  return ok(arithmetic);
}

Opinion judge_syn_backlog(const Machine& machine, const Expectation& expected) {
  const auto limit = machine.number("net.ipv4.tcp_max_syn_backlog");
  const auto cookies = machine.number("net.ipv4.tcp_syncookies");
  if (!limit || !cookies) return unreadable();
  if (*cookies != 0) return no_matter("not read while tcp_syncookies is on");
  const auto half_open = half_open_of(expected);
  if (!half_open) return unasked("new_per_s and rtt_ms");
  const double room = static_cast<double>(*limit) * 3 / 4;
  const std::string arithmetic = fmt::format(
      "SYN cookies are off: {} half-open (new_per_s x rtt), room for 3/4 of {} = {:.0f}",
      count_text(*half_open), *limit, room);
  if (*half_open <= room) return ok(arithmetic);
  return {Verdict::breaks, arithmetic, "turn tcp_syncookies on, or raise this",
          std::to_string(power_of_two_from(static_cast<uint64_t>(*half_open * 4 / 3) + 1))};
}

Opinion judge_syncookies(const Machine& machine, const Expectation&) {
  const auto value = machine.number("net.ipv4.tcp_syncookies");
  if (!value) return unreadable();
  if (*value == 0) {
    return {Verdict::tight, "off: a flood of SYNs keeps honest clients out", "set 1", "1"};
  }
  if (*value == 2) {
    return {Verdict::tight, "always: the handshake never keeps what the client offered",
            "set 1: only when the queue is full", "1"};
  }
  return ok("used only when the queue of half-open connections is full");
}

Opinion judge_abort_on_overflow(const Machine& machine, const Expectation&) {
  const auto value = machine.number("net.ipv4.tcp_abort_on_overflow");
  if (!value) return unreadable();
  if (*value == 0) return ok("a client that finds the queue full tries again");
  return {Verdict::tight, "a client whose last ACK finds the queue full is reset",
          "set 0: it recovers by itself", "0"};
}

Opinion judge_device_backlog(const Machine& machine, const Expectation&) {
  if (!machine.backlog_drops) return no_matter("no /proc/net/softnet_stat here to tell");
  if (*machine.backlog_drops == 0) {
    return no_matter("never full since the start: softnet_stat counts 0 dropped packets");
  }
  return {Verdict::tight,
          fmt::format("{} packets dropped at a full queue since the start (softnet_stat)",
                      *machine.backlog_drops),
          "see whether the number grows under load; if so, try twice as much"};
}

Opinion judge_device_budget(const Machine& machine, const Expectation&) {
  if (!machine.budget_squeezes) return no_matter("no /proc/net/softnet_stat here to tell");
  return no_matter(fmt::format("{} rounds since the start ended with packets left, which is usual",
                               *machine.budget_squeezes));
}

Opinion judge_conntrack(const Machine& machine, const Expectation& expected) {
  const auto limit = machine.number("net.netfilter.nf_conntrack_max");
  if (!limit || !machine.conntrack_entries) return unreadable();
  if (*machine.conntrack_entries == 0) {
    return no_matter("no rule of this namespace tracks connections: 0 entries");
  }
  if (*limit == 0) return ok("no limit");
  if (!expected.new_per_s && !expected.connections) return unasked("connections and new_per_s");
  const double keep_s =
      static_cast<double>(machine.number("net.netfilter.nf_conntrack_tcp_timeout_time_wait")
                              .value_or(static_cast<int64_t>(kConntrackTimeWaitDefaultS)));
  const double open = static_cast<double>(expected.connections.value_or(0));
  const double entries = open + expected.new_per_s.value_or(0) * keep_s +
                         static_cast<double>(*machine.conntrack_entries);
  const std::string arithmetic =
      fmt::format("{} open + {}/s x {:g} s + {} now = {} entries; {} fit", count_text(open),
                  rate_text(expected.new_per_s.value_or(0)), keep_s, *machine.conntrack_entries,
                  count_text(entries), *limit);
  const std::string wanted = std::to_string(power_of_two_from(static_cast<uint64_t>(entries * 2)));
  const std::string advice = "exempt the server's port from tracking (notrack), or raise it";
  if (entries > static_cast<double>(*limit)) {
    return {Verdict::breaks, arithmetic + ": packets of new connections are dropped", advice,
            wanted};
  }
  if (entries * 2 > static_cast<double>(*limit))
    return {Verdict::tight, arithmetic, advice, wanted};
  return ok(arithmetic);
}

}  // namespace ringtune
