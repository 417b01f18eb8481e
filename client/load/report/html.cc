// The page: headline figures, the pictures, then the tables of the text report.
#include "client/load/report/html.h"

#include <fmt/format.h>

#include <vector>

#include "client/load/report/derived.h"
#include "client/load/report/format.h"
#include "client/load/report/plots.h"
#include "client/load/report/sections.h"

namespace ringload {
namespace {

// The pictures stay on a light card in the dark: their lines are drawn for one.
constexpr const char* kStyle = R"(
:root{--bg:#f5f6f8;--card:#fff;--text:#1c2128;--soft:#5b6570;--line:#e2e5ea;--warn:#a33c00;
color-scheme:light dark}
@media(prefers-color-scheme:dark){:root{--bg:#14171c;--card:#1e232a;--text:#e7eaee;--soft:#a2abb6;
--line:#343b45;--warn:#ff9f5e}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--text);font:16px/1.5 system-ui,sans-serif}
main{max-width:1240px;margin:0 auto;padding:20px 16px}
h1{font-size:1.5rem;margin:0 0 2px;overflow-wrap:anywhere}
h2{font-size:1.05rem;margin:0 0 8px}
p{margin:6px 0;overflow-wrap:anywhere}
.soft{color:var(--soft)}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(130px,1fr));gap:12px;
margin:16px 0}
.figure,section,figure{background:var(--card);border:1px solid var(--line);border-radius:10px;
padding:14px 16px}
.figure b{display:block;font-size:1.4rem;line-height:1.3;white-space:nowrap;font-weight:650}
.figure.bad b,.warn h2{color:var(--warn)}
.columns{columns:2;column-gap:14px}
.plots{display:grid;grid-template-columns:1fr 1fr;gap:14px;margin-bottom:14px}
section{break-inside:avoid;margin:0 0 14px;display:inline-block;width:100%}
figure{margin:0;min-width:0}
figure svg{display:block;width:100%;height:auto;background:#fff;border-radius:6px}
figcaption{color:var(--soft);font-size:.9rem;margin-bottom:8px}
table{border-collapse:collapse;width:100%}
td,th{padding:3px 8px 3px 0;vertical-align:top;text-align:left;font-weight:400;
border-top:1px solid var(--line)}
td{overflow-wrap:anywhere}
tr:first-child>*{border-top:0}
th{color:var(--soft);min-width:7em}
td.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums;padding-right:14px}
@media(max-width:700px){.plots{grid-template-columns:1fr}.columns{columns:1}
main{padding:14px 10px}.figure,section,figure{padding:10px 12px}}
)";

std::string escaped(std::string_view text) {
  std::string safe;
  for (const char byte : printable(text)) {
    switch (byte) {
      case '&': safe += "&amp;"; break;
      case '<': safe += "&lt;"; break;
      case '>': safe += "&gt;"; break;
      case '"': safe += "&quot;"; break;
      case '\'': safe += "&#39;"; break;
      default: safe += byte;
    }
  }
  return safe;
}

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
  std::string html = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>ringload: {0}</title>\n<style>{1}</style>\n</head>\n<body>\n<main>\n"
      "<h1>{0}</h1>\n<p class=\"soft\">{2}</p>\n",
      escaped(target), kStyle, escaped(outcome.facts.command_line));
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
  return html + "</div>\n</main>\n</body>\n</html>\n";
}

}  // namespace ringload
