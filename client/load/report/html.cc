// The page: headline figures, the pictures, then the tables of the text report.
#include "client/load/report/html.h"

#include <fmt/format.h>

#include <vector>

#include "client/load/report/derived.h"
#include "client/load/report/format.h"
#include "client/load/report/page.h"
#include "client/load/report/plots.h"
#include "client/load/report/sections.h"

namespace ringload {
namespace {

std::string figure(std::string_view value, std::string_view label, bool bad = false) {
  return fmt::format("<div class=\"figure{}\"><b>{}</b><span class=\"soft\">{}</span></div>\n",
                     bad ? " bad" : "", escaped(value), escaped(label));
}

std::string headline(const Outcome& outcome) {
  const auto latency = [&](double quantile) {
    if (outcome.latency_ns.empty()) return std::string("–");
    return latency_text(static_cast<double>(outcome.latency_ns.at_quantile(quantile)));
  };
  const uint64_t errors = total_of(outcome.errors);
  std::string html = "<div class=\"figures\">\n";
  html += figure(si_text(rate_per_s(outcome)), "requests/s");
  html += figure(bytes_text(bytes_per_s(outcome)), "received each second");
  html += figure(latency(0.5), "p50");
  html += figure(latency(0.99), "p99");
  html += figure(grouped(errors), "errors", errors > 0);
  if (sockets_tracked(outcome)) {
    html += figure(grouped(outcome.sockets.time_wait_peak), "TIME_WAIT, at most");
    html += figure(grouped(outcome.sockets.ports_free_min), "free ports, at least",
                   outcome.exhaustion.has_value());
  }
  if (outcome.exhaustion) {
    const double at_s = outcome.exhaustion->at_s;
    html += figure(at_s < 0 ? "warm-up" : seconds_text(at_s), "until ports ran out", true);
  }
  return html + "</div>\n";
}

std::string table(const Section& section, bool is_warning) {
  std::string html = fmt::format("<section{}>\n<h2>{}</h2>\n", is_warning ? " class=\"warn\"" : "",
                                 escaped(section.title));
  if (!section.rows.empty()) html += "<table>\n";
  for (const ReportRow& row : section.rows) {
    html += fmt::format("<tr><th scope=\"row\">{}</th>", escaped(row.label));
    html += row.figure.empty() ? fmt::format("<td colspan=\"2\">{}</td>", escaped(row.remark))
                               : fmt::format("<td class=\"n\">{}</td><td class=\"soft\">{}</td>",
                                             escaped(row.figure), escaped(row.remark));
    html += "</tr>\n";
  }
  if (!section.rows.empty()) html += "</table>\n";
  for (const std::string& note : section.notes) html += fmt::format("<p>{}</p>\n", escaped(note));
  return html + "</section>\n";
}

net::Result<std::string> pictures(const Outcome& outcome) {
  std::string html = "<div class=\"plots\">\n";
  for (const Plot& plot : plots_of(outcome)) {
    html += fmt::format("<figure><h2>{}</h2><figcaption>{}</figcaption>\n", escaped(plot.title),
                        escaped(plot.caption));
    if (!plot.script.empty()) {
      const auto picture = run_gnuplot(plot.script);
      if (!picture) return picture;
      html += *picture;
    }
    html += "</figure>\n";
  }
  return html + "</div>\n";
}

}  // namespace

net::Result<std::string> html_report(const Outcome& outcome) {
  const auto plots = pictures(outcome);
  if (!plots) return plots;
  const std::string target = outcome.facts.urls.empty() ? "-" : outcome.facts.urls.front();
  std::string html = page_begin("ringload", target, outcome.facts.command_line);
  html += headline(outcome);
  // What must not be overlooked comes before the pictures.
  const std::vector<Section> sections = sections_of(outcome);
  const auto is_urgent = [](const Section& section) { return section.rows.empty(); };
  for (const Section& section : sections) {
    if (is_urgent(section)) html += table(section, true);
  }
  html += *plots + "<div class=\"columns\">\n";
  for (const Section& section : sections) {
    if (!is_urgent(section)) html += table(section, false);
  }
  return html + "</div>\n" + page_end();
}

}  // namespace ringload
