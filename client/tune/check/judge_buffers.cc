// Bandwidth x delay against the buffers, and all buffers against the memory that TCP may have.
// Sources: kernel-notes 13 and 20; tcp_init() in net/ipv4/tcp.c for the kernel's own maxima.
#include <algorithm>
#include <cmath>

#include "client/tune/check/judges.h"
#include "client/tune/conf/values.h"

namespace ringtune {
namespace {

constexpr double kOverhead = 2;  // half of a buffer is bookkeeping, until it is measured
constexpr double kWindowUnscaled = 65'535;
constexpr double kLoopbackSegment = 65'483;
constexpr uint64_t kMebibyte = 1 << 20;
constexpr uint64_t kBufferMax = uint64_t{1} << 30;
constexpr int64_t kRmemOfKernel = 32 << 20;  // tcp_init() since 6.16, where memory is not short
constexpr uint64_t kMemoryNotShort = uint64_t{8} << 30;
constexpr KernelVersion kRmemRaisedIn{6, 16};

constexpr int64_t kUnsentFew = 128 << 10;  // what kernel-notes 20 measured as harmless
constexpr std::string_view kNoLimitUnsent = "4294967295";
constexpr int64_t kOutputFewBytes = 256 << 10;  // the kernel's own before 4.20

struct Path {
  double bandwidth_bit_per_s = 0;
  double rtt_s = 0;

  double bytes() const { return bandwidth_bit_per_s / 8 * rtt_s; }
};

std::optional<Path> path_of(const Expectation& expected) {
  if (!expected.bandwidth_bit_per_s || !expected.rtt_ms) return std::nullopt;
  return Path{*expected.bandwidth_bit_per_s, *expected.rtt_ms / 1000};
}

double connections_of(const Expectation& expected) {
  return static_cast<double>(expected.connections.value_or(1));
}

std::string wanted_of(std::string_view present, double most_bytes) {
  const auto words = words_of(present);
  if (words.size() != 3) return {};
  const auto mebibytes = static_cast<uint64_t>(std::ceil(most_bytes / kMebibyte));
  const uint64_t most = std::min(mebibytes * kMebibyte, kBufferMax);
  return fmt::format("{} {} {}", words[0], words[1], most);
}

// Over loopback there is no delay to speak of, but a segment is 64 KiB, and two must fit.
Opinion judge_loopback(double most, std::string_view present) {
  const double needed = 2 * kLoopbackSegment * kOverhead;
  const std::string arithmetic =
      fmt::format("loopback: two segments of 64 KiB and as much overhead = {}; the maximum is {}",
                  bytes_text(needed), bytes_text(most));
  if (most >= needed) return ok(arithmetic);
  return {Verdict::breaks, arithmetic + ": the second segment waits 40 ms for a delayed ACK",
          "raise the third number", wanted_of(present, 4 << 20)};
}

Opinion judge_maximum(std::string_view present, const Expectation& expected) {
  const auto most_or_none = last_number(present);
  if (!most_or_none) return unreadable();
  const double most = static_cast<double>(*most_or_none);
  if (expected.loopback) return judge_loopback(most, present);
  const auto path = path_of(expected);
  if (!path) return unasked("bandwidth and rtt_ms");
  const double one = most / kOverhead;
  const double all = one * connections_of(expected);
  std::string arithmetic =
      fmt::format("{} x {:g} ms = {} under way; ", bits_text(path->bandwidth_bit_per_s),
                  *expected.rtt_ms, bytes_text(path->bytes()));
  const auto rate = [&](double bytes) { return bits_text(bytes * 8 / path->rtt_s); };
  arithmetic += fmt::format("half of {} is payload", bytes_text(most));
  if (path->bytes() <= one) return ok(arithmetic + ": one connection fills the path");
  arithmetic += fmt::format(": one connection reaches {}", rate(one));
  const std::string wanted = wanted_of(present, path->bytes() * kOverhead);
  if (path->bytes() > all) {
    if (connections_of(expected) > 1) {
      arithmetic += fmt::format(", all {} reach {}", *expected.connections, rate(all));
    }
    return {Verdict::breaks, arithmetic, "raise the third number", wanted};
  }
  return {Verdict::tight,
          arithmetic + fmt::format("; it takes {} of them to fill the path",
                                   count_text(std::ceil(path->bytes() / one))),
          "raise the third number, if a single download should be as fast as the path", wanted};
}

// 64 KiB is all that a connection could have under way.
Opinion judge_switch(const Machine& machine, const Expectation& expected, std::string_view name,
                     const char* on, const char* off) {
  const auto value = machine.number(name);
  if (!value) return unreadable();
  if (*value != 0) return ok(on);
  const auto path = path_of(expected);
  std::string arithmetic = off;
  if (!path || path->rtt_s == 0) return {Verdict::tight, arithmetic, "set 1", "1"};
  const double reached = kWindowUnscaled * connections_of(expected);
  arithmetic += fmt::format(": 64 KiB / {:g} ms = {} for each connection", *expected.rtt_ms,
                            bits_text(kWindowUnscaled * 8 / path->rtt_s));
  return {reached < path->bytes() ? Verdict::breaks : Verdict::tight, arithmetic, "set 1", "1"};
}

}  // namespace

Opinion judge_rmem(const Machine& machine, const Expectation& expected) {
  const std::string_view present = machine.value("net.ipv4.tcp_rmem");
  if (!expected.load && !expected.loopback) {
    return no_matter("the client's is what bounds downloads; a server receives requests");
  }
  Opinion opinion = judge_maximum(present, expected);
  const auto most = last_number(present);
  const bool is_lowered = machine.version >= kRmemRaisedIn &&
                          machine.memory_bytes >= kMemoryNotShort && most && *most < kRmemOfKernel;
  if (is_lowered && (opinion.verdict == Verdict::ok || opinion.verdict == Verdict::unasked)) {
    return {Verdict::tight,
            fmt::format("the maximum is {}; this kernel sets 32 MiB by itself: some list or "
                        "profile has lowered it",
                        bytes_text(static_cast<double>(*most))),
            "find who sets it (grep -r tcp_rmem /etc/sysctl.d /usr/lib/tuned), or raise it",
            wanted_of(present, kRmemOfKernel)};
  }
  return opinion;
}

Opinion judge_wmem(const Machine& machine, const Expectation& expected) {
  if (!expected.serve && !expected.loopback) {
    return no_matter("the server's is what bounds downloads; a client sends requests");
  }
  return judge_maximum(machine.value("net.ipv4.tcp_wmem"), expected);
}

Opinion judge_tcp_mem(const Machine& machine, const Expectation& expected) {
  const auto words = words_of(machine.value("net.ipv4.tcp_mem"));
  const auto wmem = words_of(machine.value("net.ipv4.tcp_wmem"));
  if (words.size() != 3 || wmem.size() != 3) return unreadable();
  const auto pressure = whole_number(words[1]);
  const auto most = whole_number(words[2]);
  const auto first_buffer = whole_number(wmem[1]);
  const auto last_buffer = whole_number(wmem[2]);
  if (!pressure || !most || !first_buffer || !last_buffer) return unreadable();
  if (!expected.connections) return unasked("connections");
  const auto page = static_cast<double>(machine.page_bytes);
  const double connections = static_cast<double>(*expected.connections);
  const auto path = path_of(expected);
  const double under_way = path ? path->bytes() * kOverhead : 0;
  const double likely = connections * static_cast<double>(*first_buffer) + under_way;
  const double limit = static_cast<double>(*most) * page;
  std::string arithmetic =
      fmt::format("{} connections x {}{} = {}; the limit is {} pages = {}", *expected.connections,
                  bytes_text(static_cast<double>(*first_buffer)),
                  path ? " + " + bytes_text(under_way) + " under way" : "", bytes_text(likely),
                  *most, bytes_text(limit));
  arithmetic += fmt::format(" (were all to stop reading: {})",
                            bytes_text(connections * static_cast<double>(*last_buffer)));
  const std::string advice =
      "fewer connections, a smaller maximum of tcp_wmem, or more memory; not this by hand";
  if (likely > limit) return {Verdict::breaks, arithmetic, advice};
  if (likely > static_cast<double>(*pressure) * page) return {Verdict::tight, arithmetic, advice};
  return ok(arithmetic);
}

Opinion judge_notsent_lowat(const Machine& machine, const Expectation& expected) {
  if (!expected.serve && !expected.loopback) return no_matter("the sender of the bulk decides");
  const auto value = machine.number("net.ipv4.tcp_notsent_lowat");
  if (!value) return unreadable();
  if (*value >= kUnsentFew) return ok("no limit that a file would meet");
  return {Verdict::tight,
          fmt::format("a call for every {} that are sent: the next one waits until so few are left",
                      bytes_text(static_cast<double>(std::max<int64_t>(*value, 1)))),
          "set 131072 or more, or no limit", std::string(kNoLimitUnsent)};
}

Opinion judge_limit_output(const Machine& machine, const Expectation& expected) {
  if (!expected.serve && !expected.loopback) return no_matter("the sender of the bulk decides");
  const auto value = machine.number("net.ipv4.tcp_limit_output_bytes");
  if (!value) return unreadable();
  const std::string arithmetic =
      fmt::format("a connection may have {} below TCP; a packet of the card takes 64 KiB",
                  bytes_text(static_cast<double>(*value)));
  if (*value >= kOutputFewBytes) return ok(arithmetic);
  return {Verdict::tight, arithmetic + ", and two should fit", "set the kernel's 4194304",
          "4194304"};
}

Opinion judge_moderate_rcvbuf(const Machine& machine, const Expectation& expected) {
  return judge_switch(machine, expected, "net.ipv4.tcp_moderate_rcvbuf",
                      "receive buffers grow with what is read",
                      "receive buffers keep their first size");
}

Opinion judge_window_scaling(const Machine& machine, const Expectation& expected) {
  return judge_switch(machine, expected, "net.ipv4.tcp_window_scaling",
                      "windows above 64 KiB are possible", "no window is above 64 KiB");
}

}  // namespace ringtune
