// TIME_WAIT and ports in words: what was seen, what it allows, and why it came to an end.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "client/load/report/derived.h"
#include "client/load/report/format.h"
#include "client/load/report/sections.h"
#include "client/load/sockets/forecast.h"

namespace ringload {
namespace {

std::string range_text(const PortFacts& facts) {
  std::string text = fmt::format("{}-{}", facts.range_first, facts.range_last);
  if (facts.reserved > 0) text += fmt::format(", {} reserved", grouped(facts.reserved));
  if (facts.bound > 0) text += fmt::format(", {} bound", grouped(facts.bound));
  return text + fmt::format(", {}, {}",
                            counted(facts.sources, "source address", "source addresses"),
                            counted(facts.destinations, "destination"));
}

void add_counter(Section& section, const char* label, uint64_t count, const char* remark) {
  if (count > 0) section.rows.push_back({label, grouped(count), remark});
}

void add_time_wait(Section& section, const SocketSummary& sockets) {
  section.rows.push_back(
      {"TIME_WAIT here", grouped(sockets.time_wait_peak),
       fmt::format("at most; {} at the start, {} at the end", grouped(sockets.time_wait_start),
                   grouped(sockets.time_wait_end))});
  if (sockets.time_wait_server_peak) {
    section.rows.push_back({"on the server", grouped(*sockets.time_wait_server_peak),
                            "at most; there they take no ephemeral port"});
  }
  section.rows.push_back({"in all", grouped(sockets.time_wait_all_peak),
                          "at most in this namespace, FIN_WAIT2 of no process included"});
}

void add_ports(Section& section, const SocketSummary& sockets) {
  section.rows.push_back({"ports", grouped(sockets.ports_total), range_text(sockets.facts)});
  section.rows.push_back({"free, at least", grouped(sockets.ports_free_min), ""});
  section.rows.push_back(
      {"sustainable", si_text(sockets.forecast.sustainable_per_s), "new connections/s, for ever"});
  if (sockets.sources.size() < 2) return;
  for (const SourceUse& source : sockets.sources) {
    section.rows.push_back({"  " + source.address, grouped(source.free),
                            fmt::format("free at the end; {} in use, {} in TIME_WAIT",
                                        grouped(source.in_use), grouped(source.time_wait))});
  }
}

// "(1) keep-alive; (2) a wider range."
std::string numbered(const std::vector<std::string>& items) {
  std::string text;
  for (size_t i = 0; i < items.size(); ++i) {
    text += fmt::format("{}({}) {}", i > 0 ? "; " : "", i + 1, items[i]);
  }
  return text + ".";
}

std::string holders_text(const SocketSample& at, uint64_t total, unsigned destinations) {
  std::vector<std::string> holders{
      fmt::format("{} in TIME_WAIT on this side", grouped(at.time_wait)),
      fmt::format("{} in established connections", grouped(at.established))};
  // Toward several destinations, ports_free is what the fullest one has left, times their number.
  const uint64_t known = at.time_wait + at.established + at.ports_free;
  if (total > known && destinations == 1)
    holders.push_back(fmt::format("{} elsewhere", grouped(total - known)));
  return fmt::format("{}", fmt::join(holders, ", "));
}

}  // namespace

Section sockets_section(const Outcome& outcome) {
  const SocketSummary& sockets = outcome.sockets;
  Section section{"Sockets", {}, {}};
  add_time_wait(section, sockets);
  add_ports(section, sockets);
  add_counter(section, "listen overflows", sockets.last.listen_overflows,
              "accept queue full: raise the backlog and somaxconn");
  add_counter(section, "listen drops", sockets.last.listen_drops,
              "SYNs dropped, overflows included");
  add_counter(section, "TIME_WAIT overflow", sockets.last.time_wait_overflow,
              "tcp_max_tw_buckets reached: destroyed at once");
  add_counter(section, "ports recycled", sockets.last.time_wait_recycled,
              "taken over from TIME_WAIT (tcp_tw_reuse)");
  add_counter(section, "retransmits", sockets.last.retransmits, "segments, of the namespace");
  // The first and the last look would be most of a very short run.
  const std::string share =
      outcome.duration_s < 1
          ? std::string()
          : fmt::format(", {} of a core", percent_text(sockets.cost_cpu_s / outcome.duration_s));
  section.rows.push_back(
      {"cost of looking", latency_text(sockets.cost_cpu_s * 1e9),
       fmt::format("CPU{}; {}, {} of the sockets", share, counted(sockets.looks, "look"),
                   counted(sockets.dumps, "dump"))});
  section.notes = {explain(sockets.facts, sockets.forecast) + "."};
  if (!sockets.trouble.empty()) {
    section.notes.push_back("Not every look succeeded; the last failure: " + sockets.trouble);
  }
  return section;
}

std::vector<std::string> exhaustion_paragraphs(const Exhaustion& exhaustion,
                                               const PortFacts& facts) {
  const SocketSample& at = exhaustion.at;
  const uint64_t total = exhaustion.forecast.ports_total;
  std::string text =
      fmt::format("Ephemeral ports ran out {}: connect() found none (EADDRNOTAVAIL) among {} ({}).",
                  moment_text(exhaustion.at_s), grouped(total), range_text(facts));
  if (at.valid) {
    text += fmt::format(" Where they are: {}.", holders_text(at, total, facts.destinations));
    if (at.next_free_in_s > 0) {
      text += fmt::format(" The next comes free in {}.", seconds_text(at.next_free_in_s));
    }
  }
  if (exhaustion.predicted_at_s) {
    text += fmt::format(" It had been foretold: {}.", moment_text(*exhaustion.predicted_at_s));
  }
  text += fmt::format(" {}.", explain(facts, exhaustion.forecast));
  if (exhaustion.failures > 1) {
    text += fmt::format(" In all {} to connect failed so, in {}.",
                        counted(exhaustion.failures, "attempt"), seconds_text(exhaustion.down_s));
  }
  std::vector<std::string> paragraphs = {std::move(text)};
  const Remedies remedies = remedies_for(facts);
  if (!remedies.helps.empty()) paragraphs.push_back("What would help: " + numbered(remedies.helps));
  if (!remedies.does_not_help.empty()) {
    paragraphs.push_back("What would not: " + numbered(remedies.does_not_help));
  }
  return paragraphs;
}

}  // namespace ringload
