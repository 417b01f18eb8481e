// The kernel's counters about TCP of one network namespace, cheap to read whatever the number of
// sockets: /proc/net/sockstat and sockstat6, /proc/net/netstat, /proc/net/snmp (proc_net(5),
// net/ipv4/proc.c, Documentation/networking/snmp_counter.rst).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "common/net/owned_fd.h"
#include "common/net/result.h"

namespace net {

struct TcpCounters {
  // Now.
  uint64_t in_use = 0;     // IPv4 and IPv6 sockets that have a port; no TIME_WAIT
  uint64_t time_wait = 0;  // both families; orphans in FIN_WAIT2 that are kept small included
  // Of the whole machine, also in a network namespace of one's own.
  uint64_t orphans = 0;
  uint64_t allocated = 0;
  // Since the namespace was made; they only grow.
  uint64_t listen_overflows = 0;    // the accept queue was full
  uint64_t listen_drops = 0;        // those, and every other connection a listener lost
  uint64_t time_wait_entered = 0;   // TW: sockets that began to wait
  uint64_t time_wait_recycled = 0;  // TWRecycled: connect() took over a port in TIME_WAIT
  uint64_t time_wait_overflow = 0;  // TCPTimeWaitOverflow: beyond tcp_max_tw_buckets, no waiting
  uint64_t retransmitted_segments = 0;
};

// Holds the files open; they show the namespace of the thread that opened them, even if that
// thread leaves it. One thread at a time.
class TcpCounterReader {
 public:
  static Result<std::unique_ptr<TcpCounterReader>> open();

  // Fails when a file cannot be read, or lacks a counter that every Linux since 4.0 has.
  Result<TcpCounters> read();

 private:
  TcpCounterReader() = default;
  Result<std::string_view> text_of(const OwnedFd& file, const char* path);

  OwnedFd sockstat_;
  OwnedFd sockstat6_;  // not valid where IPv6 is switched off
  OwnedFd netstat_;
  OwnedFd snmp_;
  std::array<char, 32768> buffer_{};  // netstat is the longest: 4 to 8 KiB
};

// The counter `name` in a text of "Group: name value name value" lines (sockstat).
std::optional<uint64_t> pair_counter(std::string_view text, std::string_view group,
                                     std::string_view name);
// The counter `name` in a text of pairs of lines, "Group: name name", then "Group: value value"
// (netstat, snmp). Columns come and go with kernels: only the name says which is which.
std::optional<uint64_t> column_counter(std::string_view text, std::string_view group,
                                       std::string_view name);

}  // namespace net
