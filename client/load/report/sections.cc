// The report's tables, in the order in which they are read: what was run, what came of it, what
// went wrong, what it cost, and what the sockets did.
#include "client/load/report/sections.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "client/load/report/derived.h"
#include "client/load/report/format.h"

namespace ringload {
namespace {

std::string load_text(const RunFacts& facts) {
  std::string text = fmt::format("{}, {}, ", counted(facts.connections, "connection"),
                                 counted(facts.threads, "thread"));
  text += facts.open_loop
              ? fmt::format("open loop: {} requests/s on a schedule", si_text(facts.rate_per_s))
              : std::string("closed loop: each waits for its answer");
  if (facts.pipeline > 1) text += fmt::format(", {} in flight on each", facts.pipeline);
  return text;
}

const char* closer_text(CloseBy close_by) {
  switch (close_by) {
    case CloseBy::client: return "closed by the client";
    case CloseBy::server: return "closed by the server";
    case CloseBy::reset: break;
  }
  return "reset by the client";
}

std::string connection_use_text(const RunFacts& facts) {
  if (facts.new_connection) {
    return fmt::format("a new one for each request, {}", closer_text(facts.close_by));
  }
  if (facts.requests_per_connection == 0) return "kept alive";
  return fmt::format("{} each, then {}", counted(facts.requests_per_connection, "request"),
                     closer_text(facts.close_by));
}

std::string duration_text(const Outcome& outcome) {
  std::string text = seconds_text(outcome.duration_s);
  if (outcome.facts.duration_wanted_s > 0) {
    text += fmt::format(" of {}", seconds_text(outcome.facts.duration_wanted_s));
  }
  if (outcome.facts.warmup_s > 0) {
    text += fmt::format(", after {} of warm-up", seconds_text(outcome.facts.warmup_s));
  }
  return text;
}

Section run_section(const Outcome& outcome) {
  const RunFacts& facts = outcome.facts;
  Section section{"ringload " + facts.version, {}, {}};
  const std::string first = facts.urls.empty() ? "-" : facts.urls.front();
  const size_t more = facts.urls.size() > 1 ? facts.urls.size() - 1 : 0;
  section.rows = {
      {"target", "",
       more > 0 ? fmt::format("{} and {} more", shortened(first, 46), more) : shortened(first, 58)},
      {"load", "", load_text(facts)},
      {"connections", "", connection_use_text(facts)},
      {"ran", "", duration_text(outcome)},
      {"ended", "", outcome.end_reason.empty() ? "-" : outcome.end_reason},
      {"from", "", fmt::format("{}, Linux {}", facts.host, facts.kernel)}};
  if (!outcome.merged_from.empty()) {
    section.rows.push_back(
        {"merged from", "", fmt::format("{}", fmt::join(outcome.merged_from, ", "))});
  }
  return section;
}

Section requests_section(const Outcome& outcome) {
  const RunFacts& facts = outcome.facts;
  const double rate = rate_per_s(outcome);
  const uint64_t errors = total_of(outcome.errors);
  Section section{"Requests", {}, {}};
  section.rows = {{"answered", grouped(outcome.requests), "complete, status below 400"},
                  {"rate", si_text(rate), "requests/s"},
                  {"received", bytes_text(static_cast<double>(outcome.bytes)),
                   bytes_text(bytes_per_s(outcome)) + "/s"},
                  {"errors", grouped(errors),
                   errors > 0 ? percent_text(error_share(errors, outcome.requests)) : ""}};
  if (facts.open_loop) {
    section.rows[1].remark =
        fmt::format("requests/s, {} of the {} asked for",
                    percent_text(ratio(rate, facts.rate_per_s)), si_text(facts.rate_per_s));
    section.rows.push_back({"unsent", grouped(outcome.unsent), "due, but no connection was free"});
  }
  if (outcome.answered_late > 0) {
    section.rows.push_back({"late", grouped(outcome.answered_late),
                            "begun in time, answered after the end; in the latencies"});
  }
  if (outcome.unanswered > 0) {
    section.rows.push_back({"unanswered", grouped(outcome.unanswered), "given up at the end"});
  }
  return section;
}

Section latency_section(const Outcome& outcome) {
  Section section{"Latency", {}, {}};
  for (const LatencyFigure& figure : latency_figures(outcome.latency_ns)) {
    section.rows.push_back({figure.name, figure.value,
                            figure.meaningful ? "" : "fewer than 10 answers lie beyond it"});
  }
  if (!outcome.facts.open_loop) {
    section.notes = {
        "Service time: a slow server slows this load down (coordinated omission); "
        "use --rate for response time."};
    return section;
  }
  section.notes = {"From the planned time of each request: waiting for a connection counts."};
  const measure::Histogram& late = outcome.schedule_error_ns;
  if (!late.empty()) {
    section.notes.push_back(
        fmt::format("The generator itself was late by {} (p50), {} (p99), {} (max).",
                    latency_text(static_cast<double>(late.at_quantile(0.5))),
                    latency_text(static_cast<double>(late.at_quantile(0.99))),
                    latency_text(static_cast<double>(late.max()))));
  }
  return section;
}

Section errors_section(const Outcome& outcome) {
  struct Line {
    std::string_view phase, name;
    uint64_t count;
  };
  std::vector<Line> lines;
  for (const auto& [phase, names] : outcome.errors) {
    for (const auto& [name, count] : names) lines.push_back({phase, name, count});
  }
  std::stable_sort(lines.begin(), lines.end(),
                   [](const Line& a, const Line& b) { return a.count > b.count; });
  Section section{"Errors", {}, {}};
  for (const Line& line : lines) {
    section.rows.push_back({fmt::format("{} {}", line.phase, line.name), grouped(line.count),
                            std::string(advice_for(line.phase, line.name))});
  }
  return section;
}

Section statuses_section(const Outcome& outcome) {
  Section section{"Statuses", {}, {}};
  for (const auto& [status, count] : outcome.statuses) {
    section.rows.push_back({fmt::format("{}", status), grouped(count), ""});
  }
  return section;
}

Section connections_section(const Outcome& outcome) {
  const ConnectionCounts& counts = outcome.connections;
  Section section{"Connections", {}, {}};
  section.rows = {
      {"asked for", grouped(counts.asked), "at the same time"},
      {"opened", grouped(counts.opened), ""},
      {"failed", grouped(counts.failed), "attempts to connect"},
      {"reused", grouped(counts.reused), "requests on a connection used before"},
      {"lost", fmt::format("{:.1f}", counts.lost),
       fmt::format("of {}, on average: concurrency lost to failure", grouped(counts.asked))}};
  return section;
}

std::string per_request(double cpu_s, uint64_t requests) {
  if (requests == 0) return {};
  return latency_text(cpu_s * 1e9 / static_cast<double>(requests)) + " a request";
}

Section cpu_section(const Outcome& outcome) {
  const uint64_t answered = outcome.requests;
  Section section{"CPU time", {}, {}};
  section.rows = {{"generator", seconds_text(outcome.client_cpu_s),
                   per_request(outcome.client_cpu_s, answered)},
                  {"busiest thread", percent_text(outcome.busiest_thread_share), "of one core"}};
  if (outcome.server_cpu_s) {
    section.rows.push_back({"server", seconds_text(*outcome.server_cpu_s),
                            per_request(*outcome.server_cpu_s, answered)});
  }
  return section;
}

bool only_200(const Outcome& outcome) {
  return outcome.statuses.empty() ||
         (outcome.statuses.size() == 1 && outcome.statuses.contains(200));
}

}  // namespace

std::vector<LatencyFigure> latency_figures(const measure::Histogram& latency_ns) {
  // A quantile is an estimate only with some answers on its far side.
  constexpr double kAnswersBeyond = 10;
  struct Quantile {
    const char* name;
    double quantile;
  };
  static constexpr std::array<Quantile, 7> kQuantiles{{{"p50", 0.5},
                                                       {"p75", 0.75},
                                                       {"p90", 0.9},
                                                       {"p95", 0.95},
                                                       {"p99", 0.99},
                                                       {"p99.9", 0.999},
                                                       {"p99.99", 0.9999}}};
  if (latency_ns.empty()) return {};
  std::vector<LatencyFigure> figures{{"min", latency_text(static_cast<double>(latency_ns.min()))},
                                     {"mean", latency_text(latency_ns.mean())},
                                     {"stddev", latency_text(latency_ns.standard_deviation())}};
  for (const auto& [name, quantile] : kQuantiles) {
    const double beyond = static_cast<double>(latency_ns.count()) * (1 - quantile);
    // The comparison forgives the rounding of 1 - quantile.
    const bool meaningful = quantile < 0.99 || beyond > kAnswersBeyond - 1e-6;
    const auto value = static_cast<double>(latency_ns.at_quantile(quantile));
    figures.push_back({name, meaningful ? latency_text(value) : "–", meaningful});
  }
  figures.push_back({"max", latency_text(static_cast<double>(latency_ns.max()))});
  return figures;
}

std::vector<Section> sections_of(const Outcome& outcome) {
  std::vector<Section> sections{run_section(outcome), requests_section(outcome)};
  if (!outcome.latency_ns.empty()) sections.push_back(latency_section(outcome));
  if (!outcome.errors.empty()) sections.push_back(errors_section(outcome));
  if (!only_200(outcome)) sections.push_back(statuses_section(outcome));
  sections.push_back(connections_section(outcome));
  sections.push_back(cpu_section(outcome));
  if (sockets_tracked(outcome)) sections.push_back(sockets_section(outcome));
  if (outcome.exhaustion) {
    sections.push_back(
        {"Ports ran out", {}, exhaustion_paragraphs(*outcome.exhaustion, outcome.sockets.facts)});
  }
  if (!outcome.failed_conditions.empty()) {
    sections.push_back({"Conditions not met", {}, outcome.failed_conditions});
  }
  if (auto warnings = warnings_of(outcome); !warnings.empty()) {
    sections.push_back({"Read with care", {}, std::move(warnings)});
  }
  return sections;
}

}  // namespace ringload
