// Ephemeral ports and TIME_WAIT. Where the ports do not suffice, the parameter breaks that alone
// would mend it, so that one wrong value is blamed and not its neighbours. The rules are those of
// kernel-notes 06 and 07.
#include <algorithm>
#include <cmath>

#include "client/tune/check/judges.h"
#include "client/tune/conf/values.h"
#include "common/net/sysctl.h"

namespace ringtune {
namespace {

constexpr double kTimeWaitS = 60;  // TCP_TIMEWAIT_LEN: a constant of the kernel
constexpr int64_t kTimeWaitBytes = 256;
constexpr int64_t kReuseDelayDefaultMs = 1000;
constexpr int64_t kRangeDefault = 60999 - 32768 + 1;
constexpr int64_t kWideFirst = 10240;  // leaves the ports of most servers alone
constexpr int64_t kWideLast = 65535;
constexpr int64_t kWidePorts = kWideLast - kWideFirst + 1;

// The five values that decide how many connections a second can go on for ever.
struct Store {
  int64_t range = 0;
  int64_t reserved = 0;  // within the range
  int64_t reuse = 0;
  int64_t delay_ms = kReuseDelayDefaultMs;
  bool timestamps = true;

  bool reuses(const Expectation& expected) const {
    return timestamps && (reuse == 1 || (reuse == 2 && expected.loopback));
  }
  int64_t ports() const { return std::max<int64_t>(0, range - reserved); }
  double ports_in_all(const Expectation& expected) const {
    return static_cast<double>(ports()) * expected.sources * expected.destinations;
  }
  double hold_s(const Expectation& expected) const {
    if (!expected.closes_first_here()) return 0;
    return reuses(expected) ? static_cast<double>(delay_ms) / 1000 : kTimeWaitS;
  }
  // At most so many at a time: those that are open, and those that TIME_WAIT holds.
  double held(const Expectation& expected) const {
    return static_cast<double>(expected.connections.value_or(0)) +
           expected.new_per_s.value_or(0) * hold_s(expected);
  }
  bool suffices(const Expectation& expected) const {
    return held(expected) <= ports_in_all(expected);
  }
};

std::optional<Store> store_of(const Machine& machine) {
  const auto range = two_numbers(machine.value("net.ipv4.ip_local_port_range"));
  const auto reserved = net::parse_ports(machine.value("net.ipv4.ip_local_reserved_ports"));
  const auto reuse = machine.number("net.ipv4.tcp_tw_reuse");
  const auto timestamps = machine.number("net.ipv4.tcp_timestamps");
  if (!range || !reserved || !reuse || !timestamps) return std::nullopt;
  Store store;
  // connect() does not give the last port of an odd number (kernel-notes 07).
  store.range = (range->second - range->first + 1) / 2 * 2;
  for (int64_t port = range->first; port <= range->second; ++port) {
    store.reserved += reserved->test(static_cast<size_t>(port)) ? 1 : 0;
  }
  store.reuse = *reuse;
  store.delay_ms = machine.number("net.ipv4.tcp_tw_reuse_delay").value_or(kReuseDelayDefaultMs);
  store.timestamps = *timestamps != 0;
  return store;
}

std::string plural(uint64_t count, const char* thing) {
  return fmt::format("{} {}{}", count, thing, count == 1 ? "" : "s");
}

std::string arithmetic_of(const Store& store, const Expectation& expected) {
  std::string text = fmt::format(
      "{} ports x {} x {} = {}", store.ports(), plural(expected.sources, "source"),
      plural(expected.destinations, "destination"), count_text(store.ports_in_all(expected)));
  const double hold_s = store.hold_s(expected);
  if (!expected.new_per_s) {
    return text + fmt::format(" for {} connections", count_text(store.held(expected)));
  }
  if (hold_s == 0) {
    return text + fmt::format("; the server closes first, so that only the {} open ones hold one",
                              count_text(store.held(expected)));
  }
  text += fmt::format("; {}/s x {:g} s{}", rate_text(*expected.new_per_s), hold_s,
                      store.reuses(expected) ? " until reuse" : " in TIME_WAIT");
  if (expected.connections) text += fmt::format(" + {} open", *expected.connections);
  text += fmt::format(" = {} are held", count_text(store.held(expected)));
  return text;
}

// What cannot be mended by one value: it never ends, but it takes other means.
std::string other_means(const Store& store, const Expectation& expected) {
  const double each =
      static_cast<double>(std::max<int64_t>(1, store.ports())) * expected.destinations;
  return fmt::format(
      "keep connections (no --new-connection), or let the server close first (ringload --close-by "
      "server), or {} sources (ringload --source)",
      count_text(std::ceil(store.held(expected) / each)));
}

std::string until_empty(const Store& store, const Expectation& expected) {
  const double rate = expected.new_per_s.value_or(0);
  const double open = static_cast<double>(expected.connections.value_or(0));
  const double free = store.ports_in_all(expected) - open;
  if (rate <= 0 || free <= 0) return ": connect() fails with EADDRNOTAVAIL";
  return fmt::format(": after {:.1f} s connect() fails with EADDRNOTAVAIL", free / rate);
}

enum class Cure { timestamps, reuse, delay, reserved, range, none };

// The single change that would do, in the order in which one would rather make it.
Cure cure_of(const Store& store, const Expectation& expected) {
  const auto cures = [&](auto change) {
    Store changed = store;
    change(changed);
    return changed.suffices(expected);
  };
  const auto usual_range = [](Store& one) { one.range = std::max(one.range, kRangeDefault); };
  if (store.range < kRangeDefault && cures(usual_range)) return Cure::range;
  if (cures([](Store& one) { one.reserved = 0; })) return Cure::reserved;
  if (cures([](Store& one) { one.timestamps = true; })) return Cure::timestamps;
  if (cures([](Store& one) { one.delay_ms = std::min(one.delay_ms, kReuseDelayDefaultMs); })) {
    return Cure::delay;
  }
  if (cures([](Store& one) { one.reuse = 1; })) return Cure::reuse;
  if (cures([](Store& one) { one.range = std::max(one.range, kWidePorts); })) return Cure::range;
  return Cure::none;
}

bool is_asked(const Expectation& expected) {
  return expected.new_per_s.has_value() || expected.connections.has_value();
}

// What the four parameters beside the range have in common.
Opinion judge_share(const Machine& machine, const Expectation& expected, Cure mine,
                    std::string wanted, const std::string& here) {
  const auto store = store_of(machine);
  if (!store) return unreadable();
  if (!is_asked(expected)) return unasked("new_per_s or connections");
  if (store->suffices(expected)) return ok(here + "; the ports suffice");
  if (cure_of(*store, expected) != mine) {
    return ok(here + "; another value would not help: see ip_local_port_range");
  }
  Store cured = *store;
  if (mine == Cure::timestamps) cured.timestamps = true;
  if (mine == Cure::reuse) cured.reuse = 1;
  if (mine == Cure::delay) cured.delay_ms = std::min(cured.delay_ms, kReuseDelayDefaultMs);
  if (mine == Cure::reserved) cured.reserved = 0;
  Opinion opinion{Verdict::breaks, arithmetic_of(*store, expected) + until_empty(*store, expected)};
  if (mine == Cure::reserved) {
    opinion.advice = "reserve only the ports of listeners: " + arithmetic_of(cured, expected);
  } else {
    opinion.advice = fmt::format("with {}: {}", wanted, arithmetic_of(cured, expected));
    opinion.wanted = std::move(wanted);
  }
  return opinion;
}

// A client of the same host may be given the server's port before the server asks for it.
std::optional<Opinion> judge_listening_port(const Machine& machine, const Expectation& expected) {
  const auto range = two_numbers(machine.value("net.ipv4.ip_local_port_range"));
  const std::string_view present = machine.value("net.ipv4.ip_local_reserved_ports");
  const auto reserved = net::parse_ports(present);
  const bool is_here = expected.serve || expected.loopback;
  if (!expected.port || !is_here || !range || !reserved) return std::nullopt;
  const unsigned port = *expected.port;
  if (port < range->first || port > range->second || reserved->test(port)) return std::nullopt;
  return Opinion{Verdict::tight,
                 fmt::format("the server's port {} lies within {} to {}: a client of this host may "
                             "hold it when the server starts",
                             port, range->first, range->second),
                 "reserve it, or listen below the range",
                 fmt::format("{}{}{}", present, present.empty() ? "" : ",", port)};
}

}  // namespace

Opinion judge_port_range(const Machine& machine, const Expectation& expected) {
  const auto store = store_of(machine);
  if (!store) return unreadable();
  if (!is_asked(expected)) return unasked("new_per_s or connections");
  std::string arithmetic = arithmetic_of(*store, expected);
  if (store->suffices(expected)) {
    if (store->held(expected) * 2 <= store->ports_in_all(expected)) return ok(arithmetic);
    return {Verdict::tight, arithmetic + ": beyond half of them connect() becomes slow",
            "more sources, or a wider range; ringload searches it in one pass and does not mind"};
  }
  switch (cure_of(*store, expected)) {
    case Cure::range: {
      const std::string wanted = store->range < kRangeDefault
                                     ? "32768 60999"
                                     : fmt::format("{} {}", kWideFirst, kWideLast);
      return {Verdict::breaks, arithmetic + until_empty(*store, expected),
              fmt::format("'{}' has enough; put the listeners' ports into "
                          "ip_local_reserved_ports",
                          wanted),
              wanted};
    }
    case Cure::none:
      return {Verdict::breaks, arithmetic + until_empty(*store, expected),
              "no value suffices: " + other_means(*store, expected)};
    default: return ok(arithmetic + "; it would do, were it not for what breaks beside it");
  }
}

Opinion judge_reserved_ports(const Machine& machine, const Expectation& expected) {
  const auto store = store_of(machine);
  if (!store) return unreadable();
  if (auto opinion = judge_listening_port(machine, expected)) return *opinion;
  if (!expected.load) return no_matter("a server takes no ephemeral port");
  return judge_share(machine, expected, Cure::reserved, "",
                     fmt::format("{} ports of the range are reserved", store->reserved));
}

Opinion judge_tw_reuse(const Machine& machine, const Expectation& expected) {
  const auto store = store_of(machine);
  if (!store) return unreadable();
  if (!expected.closes_first_here()) return no_matter("TIME_WAIT is at the other side");
  const char* here = store->reuses(expected) ? "ports in TIME_WAIT are taken over"
                     : !store->timestamps    ? "nothing is reused without tcp_timestamps"
                     : store->reuse == 2     ? "ports are held 60 s: 2 means loopback only"
                                             : "ports are held 60 s";
  return judge_share(machine, expected, Cure::reuse, "1", here);
}

Opinion judge_tw_reuse_delay(const Machine& machine, const Expectation& expected) {
  const auto store = store_of(machine);
  if (!store) return unreadable();
  if (!store->reuses(expected)) return no_matter("nothing is reused here: see tcp_tw_reuse");
  return judge_share(machine, expected, Cure::delay, std::to_string(kReuseDelayDefaultMs),
                     fmt::format("a port is taken over after {} ms", store->delay_ms));
}

Opinion judge_timestamps(const Machine& machine, const Expectation& expected) {
  const auto store = store_of(machine);
  if (!store) return unreadable();
  if (store->timestamps) return ok("on, as tcp_tw_reuse and SYN cookies need");
  const std::string without =
      "off: no tcp_tw_reuse, poorer round trip times, SYN cookies that lose "
      "window scaling";
  if (expected.load && is_asked(expected) && !store->suffices(expected) &&
      cure_of(*store, expected) == Cure::timestamps) {
    return judge_share(machine, expected, Cure::timestamps, "1", without);
  }
  return {Verdict::tight, without, "set 1: it costs nothing that could be measured", "1"};
}

Opinion judge_tw_buckets(const Machine& machine, const Expectation& expected) {
  const auto limit = machine.number("net.ipv4.tcp_max_tw_buckets");
  if (!limit) return unreadable();
  if (!expected.closes_first_here()) return no_matter("TIME_WAIT is at the other side");
  if (!expected.new_per_s) return unasked("new_per_s");
  double waiting = *expected.new_per_s * kTimeWaitS;
  std::string arithmetic = fmt::format("{}/s x 60 s = {} in TIME_WAIT",
                                       rate_text(*expected.new_per_s), count_text(waiting));
  const auto store = store_of(machine);
  if (expected.load && !expected.serve && store && store->ports_in_all(expected) < waiting) {
    waiting = store->ports_in_all(expected);
    arithmetic += fmt::format(", at most the {} ports there are", count_text(waiting));
  }
  arithmetic += fmt::format("; {} fit, {} in all", *limit,
                            bytes_text(waiting * static_cast<double>(kTimeWaitBytes)));
  if (waiting <= static_cast<double>(*limit)) return ok(arithmetic);
  return {Verdict::tight, arithmetic + "; the rest is forgotten at once (TCPTimeWaitOverflow)",
          "harmless for throughput; raise it if old segments may be under way",
          std::to_string(power_of_two_from(static_cast<uint64_t>(waiting)))};
}

Opinion judge_max_orphans(const Machine& machine, const Expectation& expected) {
  const auto limit = machine.number("net.ipv4.tcp_max_orphans");
  if (!limit) return unreadable();
  if (!expected.connections && !(expected.new_per_s && expected.rtt_ms)) {
    return unasked("connections, or new_per_s and rtt_ms");
  }
  const double closing = expected.new_per_s.value_or(0) * expected.rtt_ms.value_or(0) / 1000;
  const double all = static_cast<double>(expected.connections.value_or(0));
  const std::string arithmetic =
      fmt::format("{} close within a round trip, {} if all end at once; {} may",
                  count_text(std::ceil(closing)), count_text(all), *limit);
  const std::string wanted =
      std::to_string(power_of_two_from(static_cast<uint64_t>(std::max({closing, all, 1.0}))));
  if (closing > static_cast<double>(*limit)) {
    return {Verdict::breaks, arithmetic + ": clients lose the end of their answers", "raise it",
            wanted};
  }
  if (all > static_cast<double>(*limit)) {
    return {Verdict::tight, arithmetic + ": a restart would cut off answers", "raise it", wanted};
  }
  return ok(arithmetic);
}

}  // namespace ringtune
