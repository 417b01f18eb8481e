// Descriptors, pipes, rings: of the process and of the machine.
#include <algorithm>

#include "client/tune/check/judges.h"
#include "common/net/result.h"

namespace ringtune {
namespace {

// server/budget.cc: what ringserve needs beside connections and cached files, with some workers;
// and the share of the rest that goes to cached files if nobody says how many connections.
constexpr uint64_t kDescriptorsReserved = 256;
constexpr double kShareOfConnections = 0.6;
constexpr int64_t kPipeWantedBytes = 1 << 20;
constexpr int64_t kPipesMax = 48;  // of 1 MiB: server/budget.cc
constexpr int64_t kWatchesFew = 8192;
constexpr KernelVersion kRingsChargedToCgroup{5, 12};

// Each connection has an end here, over loopback two.
uint64_t ends_of(const Expectation& expected) {
  return *expected.connections * (expected.loopback ? 2 : 1);
}

std::string limit_text(uint64_t limit) {
  return limit == std::numeric_limits<uint64_t>::max() ? "unlimited" : std::to_string(limit);
}

}  // namespace

Opinion judge_nofile(const Machine& machine, const Expectation& expected) {
  const auto soft = limit_of(machine.value("RLIMIT_NOFILE"), false);
  const auto hard = limit_of(machine.value("RLIMIT_NOFILE"), true);
  if (!soft || !hard) return unreadable();
  if (!expected.connections) return unasked("connections");
  const uint64_t needed = *expected.connections + kDescriptorsReserved;
  const std::string arithmetic =
      fmt::format("{} connections + {} = {}; soft {}, hard {}", *expected.connections,
                  kDescriptorsReserved, needed, limit_text(*soft), limit_text(*hard));
  const std::string where = fmt::format(
      "LimitNOFILE={} of the unit, --ulimit nofile of the container, or ulimit -n", needed * 2);
  if (needed > *hard) return {Verdict::breaks, arithmetic + ": EMFILE", where};
  if (expected.serve && static_cast<double>(*hard - kDescriptorsReserved) * kShareOfConnections <
                            static_cast<double>(*expected.connections)) {
    return {Verdict::tight,
            arithmetic + "; ringserve keeps two fifths of the hard limit for cached files",
            fmt::format("start it with --max-connections {}; or {}", *expected.connections, where)};
  }
  if (needed > *soft) {
    return {Verdict::tight,
            arithmetic + "; ringserve and ringload raise the soft one, other programs may not",
            where};
  }
  return ok(arithmetic);
}

Opinion judge_memlock(const Machine& machine, const Expectation&) {
  const auto soft = limit_of(machine.value("RLIMIT_MEMLOCK"), false);
  if (!soft) return unreadable();
  if (machine.version >= kRingsChargedToCgroup) {
    return no_matter("rings are not charged to it since Linux 5.12; we register no buffers");
  }
  if (machine.privileged) return no_matter("root is free of it");
  if (*soft >= (uint64_t{8} << 20)) return ok("8 MiB and more: enough for some rings");
  return {Verdict::tight,
          fmt::format("{}: each ring takes some of it before Linux 5.12",
                      bytes_text(static_cast<double>(*soft))),
          "LimitMEMLOCK=infinity of the unit, or --ulimit memlock=-1"};
}

Opinion judge_file_max(const Machine& machine, const Expectation& expected) {
  const auto most = machine.number("fs.file-max");
  if (!most) return unreadable();
  if (!expected.connections) return unasked("connections");
  const double open = static_cast<double>(machine.open_files.value_or(0));
  const double needed = open + static_cast<double>(ends_of(expected));
  const std::string arithmetic =
      fmt::format("{} open now + {} ends of connections = {}; {} may be", count_text(open),
                  ends_of(expected), count_text(needed), count_text(static_cast<double>(*most)));
  const std::string wanted = std::to_string(power_of_two_from(static_cast<uint64_t>(needed) * 2));
  if (needed > static_cast<double>(*most)) {
    return {Verdict::breaks, arithmetic + ": ENFILE", "raise it", wanted};
  }
  if (needed > static_cast<double>(*most) * 0.8)
    return {Verdict::tight, arithmetic, "raise it", wanted};
  return ok(arithmetic);
}

Opinion judge_nr_open(const Machine& machine, const Expectation& expected) {
  const auto most = machine.number("fs.nr_open");
  if (!most) return unreadable();
  if (!expected.connections) return unasked("connections");
  const uint64_t needed = *expected.connections + kDescriptorsReserved;
  const std::string arithmetic =
      fmt::format("RLIMIT_NOFILE has to be {}; it may be raised to {}", needed, *most);
  if (needed <= static_cast<uint64_t>(*most)) return ok(arithmetic);
  return {Verdict::breaks, arithmetic, "raise it before the limit",
          std::to_string(power_of_two_from(needed))};
}

Opinion judge_pipe_max_size(const Machine& machine, const Expectation& expected) {
  if (!expected.serve) return no_matter("only a server that splices has pipes");
  const auto most = machine.number("fs.pipe-max-size");
  if (!most) return unreadable();
  if (machine.privileged) return no_matter("root goes beyond it");
  const std::string arithmetic = fmt::format("ringserve asks for pipes of 1 MiB; {} is the most",
                                             bytes_text(static_cast<double>(*most)));
  if (*most >= kPipeWantedBytes) return ok(arithmetic);
  return {Verdict::tight, arithmetic + ": splice moves less in a call", "raise it",
          std::to_string(kPipeWantedBytes)};
}

Opinion judge_pipe_pages(const Machine& machine, const Expectation& expected) {
  if (!expected.serve) return no_matter("only a server that splices has pipes");
  const auto pages = machine.number("fs.pipe-user-pages-soft");
  if (!pages) return unreadable();
  if (machine.privileged) return no_matter("root is free of it");
  if (*pages == 0) return ok("no limit");
  const auto page = static_cast<int64_t>(machine.page_bytes);
  const int64_t needed = kPipesMax * kPipeWantedBytes / page;
  const std::string arithmetic =
      fmt::format("{} pipes of 1 MiB = {} pages at most; {} for all pipes of the user", kPipesMax,
                  needed, *pages);
  if (needed <= *pages) return ok(arithmetic);
  return {Verdict::tight, arithmetic + ": later pipes have two pages, and sendfile serves instead",
          "raise it", std::to_string(power_of_two_from(static_cast<uint64_t>(needed)))};
}

Opinion judge_io_uring(const Machine& machine, const Expectation&) {
  const auto value = machine.number("kernel.io_uring_disabled");
  if (!value) return unreadable();
  if (machine.ring_errno == 0) {
    if (*value == 0) return ok("io_uring_setup() works here");
    return {Verdict::tight,
            fmt::format("{}: io_uring_setup() works for this user, not for everybody", *value),
            "run the server as a user of kernel.io_uring_group, or set 0"};
  }
  const std::string arithmetic = fmt::format(
      "io_uring_setup() says {}: neither ringserve nor "
      "ringload starts",
      net::errno_name(machine.ring_errno));
  if (*value != 0) return {Verdict::breaks, arithmetic, "set 0", "0"};
  return {Verdict::breaks, arithmetic,
          "the sysctl allows it, so a seccomp profile does not, as of a container: allow "
          "io_uring_setup, io_uring_enter and io_uring_register there"};
}

Opinion judge_watches(const Machine& machine, const Expectation& expected) {
  if (!expected.serve) return no_matter("only a server watches its directories");
  const auto most = machine.number("fs.inotify.max_user_watches");
  if (!most) return unreadable();
  const std::string arithmetic =
      fmt::format("{} directories can be watched, by all workers together", *most);
  if (*most >= kWatchesFew) return ok(arithmetic);
  return {Verdict::tight, arithmetic + "; the others are looked at again every 0.5 s", "raise it",
          std::to_string(kWatchesFew)};
}

}  // namespace ringtune
