// Congestion, pauses, patience.
#include <algorithm>
#include <cmath>

#include "client/tune/check/judges.h"

namespace ringtune {
namespace {

constexpr double kSegmentBytes = 1448;  // Ethernet, IPv4, timestamps
constexpr double kInitialWindowSegments = 10;
constexpr double kRecoveryTightS = 60;
constexpr double kBurstDelayTightMs = 100;
constexpr int64_t kRetriesOfRfc1122 = 8;  // section 4.2.3.5: at least 100 s
constexpr double kRtoMinS = 0.2;
constexpr double kRtoMaxS = 120;
// tcp_model_timeout(): doublings from the least timeout up to the greatest, then as many as left.
constexpr int kRetriesMax = 255;

std::optional<double> window_segments(const Expectation& expected) {
  if (!expected.bandwidth_bit_per_s || !expected.rtt_ms) return std::nullopt;
  return *expected.bandwidth_bit_per_s / 8 * *expected.rtt_ms / 1000 / kSegmentBytes;
}

double give_up_after_s(int64_t retries) {
  double total_s = 0;
  double rto_s = kRtoMinS;
  for (int64_t i = 0; i <= std::min<int64_t>(retries, kRetriesMax); ++i) {
    total_s += rto_s;
    rto_s = std::min(rto_s * 2, kRtoMaxS);
  }
  return total_s;
}

}  // namespace

Opinion judge_congestion(const Machine& machine, const Expectation& expected) {
  const std::string name(machine.value("net.ipv4.tcp_congestion_control"));
  if (expected.loopback) {
    if (name != "bbr") return ok(name + " over loopback: nothing is lost, the window never binds");
    return {Verdict::tight,
            "bbr paces over loopback too: 0.44 of the throughput of cubic (kernel-notes 20)",
            "set cubic or reno for the test, or on the server's listeners (ringserve does)"};
  }
  const auto window = window_segments(expected);
  if (!window) return unasked("bandwidth and rtt_ms, or loopback");
  if (name != "reno") {
    return ok(fmt::format("{}: a path of {} segments", name, count_text(std::ceil(*window))));
  }
  const double recovery_s = *window / 2 * *expected.rtt_ms / 1000;
  const std::string arithmetic = fmt::format(
      "reno: after a loss half of {} segments come back at one each round trip: {:.0f} s",
      count_text(std::ceil(*window)), recovery_s);
  if (recovery_s < kRecoveryTightS) return ok(arithmetic);
  return {Verdict::tight, arithmetic, "set cubic, or bbr where the path loses packets", "cubic"};
}

Opinion judge_after_idle(const Machine& machine, const Expectation& expected) {
  if (!expected.serve) return no_matter("the sender of the bulk is the server");
  const auto value = machine.number("net.ipv4.tcp_slow_start_after_idle");
  if (!value) return unreadable();
  if (*value == 0) return ok("off: a burst after a pause begins with the old window");
  if (machine.value("net.ipv4.tcp_congestion_control") == "bbr") {
    return no_matter("bbr sets the window itself");
  }
  if (expected.loopback) return no_matter("over loopback a round trip costs nothing");
  const auto window = window_segments(expected);
  if (!window) return unasked("bandwidth and rtt_ms");
  const double rounds = std::max(0.0, std::ceil(std::log2(*window / kInitialWindowSegments)));
  const double delay_ms = rounds * *expected.rtt_ms;
  const std::string arithmetic =
      fmt::format("after a pause: from 10 to {} segments in {:.0f} round trips = {:.0f} ms",
                  count_text(std::ceil(*window)), rounds, delay_ms);
  if (delay_ms < kBurstDelayTightMs) return ok(arithmetic);
  return {Verdict::tight, arithmetic, "set 0, if bursts on kept connections matter", "0"};
}

Opinion judge_keepalive_time(const Machine& machine, const Expectation& expected) {
  const auto value = machine.number("net.ipv4.tcp_keepalive_time");
  if (!value) return unreadable();
  if (!expected.idle_s) return no_matter("only for sockets with SO_KEEPALIVE; ours have timeouts");
  const std::string arithmetic = fmt::format(
      "the first probe after {} s of silence, {:g} s are expected", *value, *expected.idle_s);
  if (static_cast<double>(*value) < *expected.idle_s) return ok(arithmetic);
  const auto half = static_cast<int64_t>(std::max(1.0, *expected.idle_s / 2));
  return {Verdict::tight, arithmetic + ": a box between may have forgotten the connection",
          "for programs that set SO_KEEPALIVE; ringserve and ringload do not",
          std::to_string(half)};
}

Opinion judge_retries2(const Machine& machine, const Expectation&) {
  const auto value = machine.number("net.ipv4.tcp_retries2");
  if (!value) return unreadable();
  const std::string arithmetic = fmt::format(
      "a client that vanished is given up after {:.1f} s at the earliest", give_up_after_s(*value));
  if (*value >= kRetriesOfRfc1122) return ok(arithmetic);
  return {Verdict::tight, arithmetic + ": RFC 1122 wants 100 s",
          "set 8 or more; a server's own timeouts are for those who are slow",
          std::to_string(kRetriesOfRfc1122)};
}

}  // namespace ringtune
