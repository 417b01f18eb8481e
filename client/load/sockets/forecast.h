// Foretelling when ephemeral ports run out: pure arithmetic, no system call.
// Sources: tcp(7), net/ipv4/inet_hashtables.c (__inet_hash_connect), net/ipv4/tcp_ipv4.c
// (tcp_twsk_unique), TCP_TIMEWAIT_LEN in include/net/tcp.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "client/load/sockets/socket_sample.h"

namespace ringload {

// TCP_TIMEWAIT_LEN: a constant of the kernel, no sysctl. The timer that ends it may be late by a
// step of the timer wheel, up to 4 s.
constexpr double kTimeWaitS = 60;

// All zero for Unix sockets. Where the server closes first (facts.closes_first is false) it says
// what would be sustainable if this side did.
Forecast forecast_of(const PortFacts& facts);

// Seconds until the first connect() that finds no port, or none if it never comes at this rate.
// `releases[i]` is how many of the ports now in TIME_WAIT come free between i and i + 1 seconds
// from now. Every new connection takes a port and holds it for forecast.hold_s. Simulated in steps
// of a second, in which everything happens evenly.
std::optional<double> seconds_to_exhaustion(const Forecast& forecast, uint64_t ports_free,
                                            const std::vector<uint64_t>& releases,
                                            double new_connections_per_s);

// The arithmetic in one sentence: "28232 ports x 1 source x 1 destination, each held 60 s: 470
// new connections a second can go on for ever". It says so where tcp_max_tw_buckets is smaller
// than that many sockets in TIME_WAIT: beyond it the kernel destroys them at once
// (TCPTimeWaitOverflow), which frees their ports too.
std::string explain(const PortFacts& facts, const Forecast& forecast);

// What would help and what would not, for these facts; each a sentence.
struct Remedies {
  std::vector<std::string> helps;
  std::vector<std::string> does_not_help;
};
Remedies remedies_for(const PortFacts& facts);

}  // namespace ringload
