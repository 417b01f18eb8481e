// What a report says, before it is text or HTML: titled tables of label, figure and remark, with
// sentences below. Pure: from an Outcome, for people. Both renderings show all of it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "client/load/outcome.h"

namespace ringload {

struct ReportRow {
  std::string label;
  std::string figure;  // aligned to the right; empty: the remark takes its place
  std::string remark;
};

struct Section {
  std::string title;
  std::vector<ReportRow> rows;
  std::vector<std::string> notes;  // a paragraph each
};

std::vector<Section> sections_of(const Outcome& outcome);

// Only where sockets were tracked (sections_sockets.cc).
Section sockets_section(const Outcome& outcome);
// Where ports ran out: when, how many, where they are, what helps and what does not.
std::vector<std::string> exhaustion_paragraphs(const Exhaustion& exhaustion,
                                               const PortFacts& facts);

// What makes the figures say less, or better things, than the truth; a sentence or two each.
std::vector<std::string> warnings_of(const Outcome& outcome);

// What to do about a well-known error of a phase; empty for others.
std::string_view advice_for(std::string_view phase, std::string_view error_name);

// The rows of the latency table, in its order.
struct LatencyFigure {
  std::string name;   // "p99.9"
  std::string value;  // "–" where too few answers lie beyond the quantile
  bool meaningful = true;
};
std::vector<LatencyFigure> latency_figures(const measure::Histogram& latency_ns);

}  // namespace ringload
