// What the machine is expected to carry: the words of --for and --expect. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/net/result.h"

namespace ringtune {

enum class Closer { client, server };  // who closes first, and so holds TIME_WAIT

struct Expectation {
  bool serve = true;
  bool load = true;
  // What was not said is not there: nothing is judged by a number that nobody gave.
  std::optional<uint64_t> connections;  // at once
  std::optional<double> new_per_s;
  std::optional<uint64_t> burst;  // that come at the same moment
  std::optional<double> rtt_ms;
  std::optional<double> bandwidth_bit_per_s;  // of all connections together
  std::optional<double> idle_s;               // how long a connection may be silent
  unsigned sources = 1;                       // addresses to connect from, and to
  unsigned destinations = 1;
  std::optional<uint16_t> port;  // where the server listens
  bool loopback = false;         // server and load on this machine, by 127.0.0.0/8 or ::1
  std::optional<Closer> closer;

  bool closes_first_here() const;  // the side that --for names
};

constexpr std::string_view kExpectKeys =
    "connections, new_per_s, burst, rtt_ms, bandwidth, idle_s, sources, destinations, port, "
    "close, loopback";

// "connections=20000,new_per_s=3000,rtt_ms=30,bandwidth=10Gbit,loopback"
net::Result<Expectation> parse_expectation(const std::string& purpose, const std::string& text);

// "10Gbit", "940Mbit", "100k", in bit/s; units are powers of 1000.
std::optional<double> parse_bandwidth(std::string_view text);

// Back to words, as --expect takes them.
std::string expectation_words(const Expectation& expected);

}  // namespace ringtune
