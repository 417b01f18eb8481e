// What people try when ports run out: what would help in this case, with its numbers, and what
// would not. Pure, like forecast.cc. It must never recommend what changes nothing here.
#include <fmt/format.h>

#include <cmath>

#include "client/load/sockets/forecast.h"

namespace ringload {
namespace {

// Ports below 1024 are for privileged services (ip_unprivileged_port_start).
constexpr unsigned kWidestFirst = 1024;
constexpr unsigned kWidestLast = 65535;

std::string ports_and_rate(const PortFacts& facts) {
  const Forecast forecast = forecast_of(facts);
  return fmt::format("{} ports: {:.0f}/s", forecast.ports_total,
                     std::floor(forecast.sustainable_per_s));
}

std::string wider_range(const PortFacts& facts) {
  if (facts.range_first <= kWidestFirst && facts.range_last >= kWidestLast) return {};
  PortFacts wider = facts;
  wider.range_first = kWidestFirst;
  wider.range_last = kWidestLast;
  return fmt::format("a wider net.ipv4.ip_local_port_range: {}-{} would give {}", kWidestFirst,
                     kWidestLast, ports_and_rate(wider));
}

std::string more_sources(const PortFacts& facts) {
  PortFacts doubled = facts;
  doubled.sources *= 2;
  return fmt::format(
      "more source addresses ({}): each has all the ports; twice as many would give {}",
      facts.loopback ? "--source 127.0.0.0/29, say" : "--source, each an address of this host",
      ports_and_rate(doubled));
}

// Empty where time waited already ends early.
std::string reuse(const PortFacts& facts) {
  if (forecast_of(facts).time_wait_reusable) return {};
  PortFacts reusing = facts;
  reusing.timestamps = true;
  reusing.tw_reuse = 1;
  std::string needed;
  std::string why;
  if (facts.tw_reuse != 1 && !(facts.tw_reuse == 2 && facts.loopback)) {
    needed = "net.ipv4.tcp_tw_reuse=1";
    why = facts.tw_reuse == 0 ? "it is 0, off"
                              : "it is 2, for loopback only, and neither end is 127.0.0.0/8 or ::1";
  }
  if (!facts.timestamps) {
    needed += needed.empty() ? "" : " and ";
    needed += "net.ipv4.tcp_timestamps=1";
    why += why.empty() ? "" : "; ";
    why += "without timestamps, at both ends, nothing is reused";
  }
  return fmt::format("{} ({}): a port could be taken over after {} ms, {}", needed, why,
                     facts.tw_reuse_delay_ms, ports_and_rate(reusing));
}

}  // namespace

Remedies remedies_for(const PortFacts& facts) {
  Remedies remedies;
  if (!facts.tcp) return remedies;
  auto& helps = remedies.helps;
  helps.push_back("keep-alive: several requests on a connection, so that fewer are opened");
  if (facts.closes_first) {
    helps.push_back(
        "letting the server close first (--close-by server): TIME_WAIT is then on its side, where "
        "it takes no port; or a reset (--close-by reset), which leaves none");
  }
  helps.push_back(more_sources(facts));
  if (std::string text = wider_range(facts); !text.empty()) helps.push_back(text);
  if (std::string text = reuse(facts); !text.empty()) helps.push_back(text);

  remedies.does_not_help = {
      "net.ipv4.tcp_fin_timeout: it is about orphans in FIN_WAIT2; TIME_WAIT always lasts 60 s",
      "net.ipv4.tcp_tw_recycle: gone since Linux 4.12",
  };
  if (!forecast_of(facts).time_wait_reusable) {
    remedies.does_not_help.push_back("waiting less than 60 s, or starting this program anew");
  } else {
    remedies.does_not_help.push_back(
        "net.ipv4.tcp_tw_reuse: it applies already; sockets that are not yet closed, or in "
        "FIN_WAIT2, are never taken over");
  }
  return remedies;
}

}  // namespace ringload
