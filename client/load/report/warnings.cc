// Where the figures flatter: what was not measured, and what limited the measurement instead of
// the server. The thresholds are judgements; each says so where it stands.
#include <fmt/format.h>

#include "client/load/report/derived.h"
#include "client/load/report/format.h"
#include "client/load/report/sections.h"

namespace ringload {
namespace {

using Warnings = std::vector<std::string>;

void warn_of_length(const Outcome& outcome, Warnings& warnings) {
  constexpr double kTolerated = 0.99;  // the last second is never quite whole
  const RunFacts& facts = outcome.facts;
  const bool by_requests = facts.requests_wanted > 0;
  if (facts.duration_wanted_s > 0 && !by_requests &&
      outcome.duration_s < kTolerated * facts.duration_wanted_s) {
    warnings.push_back(fmt::format("The run was shorter than asked for: {} of {}.",
                                   seconds_text(outcome.duration_s),
                                   seconds_text(facts.duration_wanted_s)));
  }
  const uint64_t done = outcome.requests + outcome.answered_late + total_of(outcome.errors);
  if (by_requests && done < facts.requests_wanted) {
    warnings.push_back(fmt::format("Only {} of the {} asked for came to an end.", grouped(done),
                                   counted(facts.requests_wanted, "request")));
  }
}

void warn_of_missing_answers(const Outcome& outcome, Warnings& warnings) {
  if (outcome.latency_ns.empty()) {
    warnings.push_back("Nothing was answered well: there are no latencies.");
    return;
  }
  const uint64_t errors = total_of(outcome.errors);
  if (errors > 0) {
    warnings.push_back(
        fmt::format("{} ({}): the latencies hold only good answers, and are prettier than what "
                    "users would see.",
                    counted(errors, "error"), percent_text(error_share(errors, outcome.requests))));
  }
  if (outcome.unanswered > 0) {
    warnings.push_back(
        fmt::format("{} had no answer when the run ended: the slowest may be missing from the "
                    "upper percentiles.",
                    counted(outcome.unanswered, "request")));
  }
}

void warn_of_open_loop(const Outcome& outcome, Warnings& warnings) {
  constexpr double kKept = 0.99;           // of the rate; less is a different experiment
  constexpr uint64_t kLateNs = 1'000'000;  // of the generator itself
  if (!outcome.facts.open_loop) return;
  if (outcome.unsent > 0) {
    warnings.push_back(
        fmt::format("{} due in the run never went out, because no connection was free: the "
                    "percentiles do not hold them, and are prettier than the truth. More "
                    "connections (-c), or less than this rate.",
                    counted(outcome.unsent, "request")));
  }
  const double kept = ratio(rate_per_s(outcome), outcome.facts.rate_per_s);
  if (kept < kKept) {
    warnings.push_back(fmt::format("The rate was not kept: {} of the {} requests/s asked for.",
                                   percent_text(kept), si_text(outcome.facts.rate_per_s)));
  }
  const uint64_t late = outcome.schedule_error_ns.at_quantile(0.99);
  if (late >= kLateNs) {
    warnings.push_back(
        fmt::format("The generator was {} late at p99: it is part of the latencies. Fewer other "
                    "programs on this machine, or more threads (-t).",
                    latency_text(static_cast<double>(late))));
  }
}

void warn_of_limits(const Outcome& outcome, Warnings& warnings) {
  constexpr double kBusy = 0.90;
  if (outcome.busiest_thread_share >= kBusy) {
    warnings.push_back(fmt::format(
        "The busiest thread of the generator used {} of a core: the generator, not the server, "
        "may be the limit: -t.",
        percent_text(outcome.busiest_thread_share)));
  }
  const ConnectionCounts& connections = outcome.connections;
  if (connections.lost >= 0.05) {
    warnings.push_back(
        fmt::format("Of {}, {:.1f} were missing on average through failures: the load was smaller "
                    "than asked for.",
                    counted(connections.asked, "connection"), connections.lost));
  }
}

}  // namespace

std::vector<std::string> warnings_of(const Outcome& outcome) {
  Warnings warnings;
  warn_of_length(outcome, warnings);
  warn_of_missing_answers(outcome, warnings);
  warn_of_open_loop(outcome, warnings);
  warn_of_limits(outcome, warnings);
  if (!outcome.merged_from.empty()) {
    warnings.push_back(
        "Merged: TIME_WAIT and ports of different hosts are added up, of one host the larger "
        "counts; the percentiles of each second are those of the worst run, the latency table is "
        "exact.");
  }
  return warnings;
}

}  // namespace ringload
