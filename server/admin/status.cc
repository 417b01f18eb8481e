// Fills the placeholders of status.html, "{{name}}", and builds the JSON of the same numbers. It
// relies on figures.cc for every text. What it inserts is escaped, so that a value can neither end
// an element nor be a placeholder's second meaning.
#include "server/admin/status.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "common/check.h"
#include "common/text/html.h"
#include "server/admin/figures.h"
#include "server/admin/status_files.h"

namespace ringserve::admin {
namespace {

using nlohmann::json;

std::string class_of(const Figure& figure) { return figure.alarming ? " class=\"alarming\"" : ""; }

std::string headline_html(const std::vector<Figure>& figures) {
  std::string html;
  for (const Figure& figure : figures) {
    html += "<li" + class_of(figure) + "><span>" + text::html_escaped(figure.label) + "</span><b>" +
            text::html_escaped(figure.value) + "</b><small>" + text::html_escaped(figure.remark) +
            "</small></li>\n";
  }
  return html;
}

std::string tables_html(const std::vector<Table>& all) {
  std::string html;
  for (const Table& table : all) {
    html += "<section><h2>" + text::html_escaped(table.title) + "</h2><table>\n";
    for (const Figure& row : table.rows) {
      html += "<tr" + class_of(row) + "><th scope=\"row\">" + text::html_escaped(row.label) +
              "</th><td>" + text::html_escaped(row.remark) + "</td><td>" +
              text::html_escaped(row.value) + "</td></tr>\n";
    }
    html += "</table></section>\n";
  }
  return html;
}

json figures_json(const std::vector<Figure>& figures) {
  json list = json::array();
  for (const Figure& figure : figures) {
    list.push_back({{"label", figure.label},
                    {"value", figure.value},
                    {"remark", figure.remark},
                    {"alarming", figure.alarming}});
  }
  return list;
}

// One decimal is more than the plots can show; the text stays short.
double rounded(double value) { return std::round(value * 10) / 10; }

json history_json(const History& history) {
  json lists = {{"at_s", json::array()},
                {"requests_per_s", json::array()},
                {"errors_per_s", json::array()},
                {"sent_bytes_per_s", json::array()},
                {"connections", json::array()},
                {"cpu_user_percent", json::array()},
                {"cpu_system_percent", json::array()}};
  for (const Sample& sample : history.samples()) {
    lists["at_s"].push_back(rounded(sample.at_s));
    lists["requests_per_s"].push_back(rounded(sample.requests_per_s));
    lists["errors_per_s"].push_back(rounded(sample.errors_per_s));
    lists["sent_bytes_per_s"].push_back(std::round(sample.sent_bytes_per_s));
    lists["connections"].push_back(sample.connections_open);
    lists["cpu_user_percent"].push_back(rounded(sample.cpu_user_percent));
    lists["cpu_system_percent"].push_back(rounded(sample.cpu_system_percent));
  }
  return lists;
}

std::string value_of(std::string_view placeholder, const Snapshot& now, const History& history) {
  if (placeholder == "version") return text::html_escaped(now.version);
  if (placeholder == "send_path") return text::html_escaped(now.send_path);
  if (placeholder == "headline") return headline_html(headline(now, history));
  if (placeholder == "tables") return tables_html(tables(now, history));
  CHECK(placeholder == "notice");
  return now.draining ? "This server is draining: it takes no new connections." : "";
}

}  // namespace

std::string status_page(const Snapshot& now, const History& history) {
  std::string page;
  std::string_view rest = kStatusTemplate;
  for (;;) {
    const size_t begin = rest.find("{{");
    page += rest.substr(0, begin);
    if (begin == std::string_view::npos) return page;
    const size_t end = rest.find("}}", begin);
    CHECK(end != std::string_view::npos);
    page += value_of(rest.substr(begin + 2, end - begin - 2), now, history);
    rest.remove_prefix(end + 2);
  }
}

std::string status_json(const Snapshot& now, const History& history) {
  json lists = json::array();
  for (const Table& table : tables(now, history)) {
    lists.push_back({{"title", table.title}, {"rows", figures_json(table.rows)}});
  }
  const json status = {{"version", now.version},
                       {"send_path", now.send_path},
                       {"uptime_s", now.uptime_s},
                       {"draining", now.draining},
                       {"headline", figures_json(headline(now, history))},
                       {"tables", std::move(lists)},
                       {"history", history_json(history)}};
  // Texts that are no UTF-8 are shown as far as they are, not thrown at us.
  return status.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace ringserve::admin
