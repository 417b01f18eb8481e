// Names are hostile: every one goes through as_html() or reference_to(), and the page forbids
// itself (Content Security Policy) everything it does not need, should one ever get through.
#include "server/listing/listing_html.h"

#include <fmt/format.h>

#include "server/listing/text.h"

namespace ringserve::listing {
namespace {

constexpr const char* kPolicy =
    "default-src 'none';style-src 'unsafe-inline';img-src 'self';base-uri 'none';form-action "
    "'none'";

// Where it is narrow, rows stay rows of a table: only the time of day goes, and some of the room.
constexpr const char* kStyle = R"(
:root{--bg:#f5f6f8;--card:#fff;--text:#1c2128;--soft:#5b6570;--line:#e2e5ea;--link:#0b57b8;
--hover:#f0f4fa;--folder:#d9a441;color-scheme:light dark}
@media(prefers-color-scheme:dark){:root{--bg:#14171c;--card:#1e232a;--text:#e7eaee;--soft:#a2abb6;
--line:#343b45;--link:#7db4ff;--hover:#262d37;--folder:#c9974a}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--text);font:16px/1.5 system-ui,sans-serif}
main{max-width:960px;margin:0 auto;padding:24px 16px}
h1{font-size:1.3rem;line-height:1.4;font-weight:600;margin:0 0 14px;overflow-wrap:anywhere}
a{color:var(--link);text-decoration:none}
a:hover{text-decoration:underline}
table{border-collapse:separate;border-spacing:0;width:100%;background:var(--card);
border:1px solid var(--line);border-radius:10px}
th,td{padding:6px 16px 6px 0;text-align:left;vertical-align:baseline;font-weight:400}
td{border-top:1px solid var(--line)}
th,td+td,footer{color:var(--soft);font-size:.875rem}
th+th,td+td{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
th:first-child,td:first-child{padding-left:16px;width:100%}
tbody tr:hover td{background:var(--hover)}
tbody tr:last-child td{border-radius:0 0 9px 9px}
td a{display:block;position:relative;padding-left:26px;overflow-wrap:anywhere}
td a::before{content:"";position:absolute;left:2px;top:.22em;width:12px;height:15px;
border:1.5px solid var(--soft);border-radius:2px 5px 2px 2px;opacity:.6}
td a.d::before{left:0;top:.36em;width:17px;height:12px;border:0;border-radius:1px 3px 3px 3px;
background:var(--folder);opacity:1}
td a.d::after{content:"";position:absolute;left:0;top:.2em;width:8px;height:5px;
border-radius:3px 3px 0 0;background:var(--folder)}
footer{display:flex;justify-content:space-between;gap:16px;margin:12px 2px}
footer p{margin:0}
@media(max-width:600px){main{padding:14px 10px}h1{font-size:1.1rem}
th span,td span{display:none}
th,td{padding:7px 12px 7px 0}th:first-child,td:first-child{padding-left:10px}}
)";

std::string plural(uint64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

// "root / docs / img", each but the last a link; from "docs/img/" the root is "../../".
std::string breadcrumbs(std::string_view path) {
  std::string ups;
  for (const char c : path) {
    if (c == '/') ups += "../";
  }
  std::string html;
  std::string_view name = "root";
  for (;;) {
    const std::string text = fmt::format("<bdi>{}</bdi>", as_html(name));
    if (ups.empty()) return html + text;
    html += fmt::format("<a href=\"{}\">{}</a> / ", ups, text);
    ups.resize(ups.size() - 3);
    const size_t slash = path.find('/');
    name = path.substr(0, slash);
    path.remove_prefix(slash + 1);
  }
}

std::string head_of_page(const std::string& path) {
  std::string html = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
      "<title>Index of {}</title>\n"
      "<link rel=\"alternate\" type=\"application/json\" href=\"?format=json\">\n"
      "<style>{}</style>\n</head>\n<body>\n<main>\n<h1>{}</h1>\n"
      "<table>\n<thead>\n<tr><th scope=\"col\">Name<th scope=\"col\">Size"
      "<th scope=\"col\">Modified<span> (UTC)</span>\n<tbody>\n",
      kPolicy, as_html("/" + path), kStyle, breadcrumbs(path));
  if (!path.empty()) {
    html += "<tr><td><a class=\"d\" href=\"../\">Parent directory</a><td><td>\n";
  }
  return html;
}

// End tags of cells and rows are optional in HTML, and a hundred thousand rows have many.
void append_row(const Entry& entry, Output& out) {
  out.append(entry.directory ? "<tr><td><a class=\"d\" href=\"" : "<tr><td><a href=\"");
  out.append(as_html(reference_to(entry)));
  out.append("\"><bdi>");
  out.append(as_html(entry.name));
  if (entry.directory) {
    out.append("</bdi>/</a><td><td>");
  } else {
    out.append(fmt::format("</bdi></a><td title=\"{}\">{}<td>",
                           plural(entry.size_bytes, "byte", "bytes"), as_size(entry.size_bytes)));
  }
  if (const std::string utc = as_utc(entry.mtime_s); !utc.empty()) {
    const std::string_view text = utc;
    out.append(fmt::format("<time datetime=\"{}\">{}<span> {}</span></time>", utc,
                           text.substr(0, 10), text.substr(11, 5)));
  }
  out.append("\n");
}

struct Listed {
  uint64_t directories = 0, files = 0;
  uint64_t files_bytes = 0;

  void count(const Entry& entry) {
    ++(entry.directory ? directories : files);
    if (!entry.directory) files_bytes += entry.size_bytes;
  }
};

std::string foot_of_page(const Listed& listed, uint64_t unlisted) {
  std::string html = "</table>\n<footer>\n<p>";
  if (listed.directories + listed.files + unlisted == 0) {
    html += "Empty";
  } else {
    html += fmt::format("{}, {}, {}", plural(listed.directories, "directory", "directories"),
                        plural(listed.files, "file", "files"), as_size(listed.files_bytes));
    if (unlisted > 0) html += fmt::format(" – and {} more, not listed", unlisted);
  }
  return html + "\n<p><a href=\"?format=json\">JSON</a>\n</footer>\n</main>\n</body>\n</html>\n";
}

}  // namespace

void write_html(const Contents& contents, const Sink& sink, uint64_t bytes_max) {
  Output out(sink);
  out.append(head_of_page(contents.path));
  Listed listed;
  for (const Entry& entry : contents.entries) {
    if (out.size_bytes() > bytes_max) break;
    append_row(entry, out);
    listed.count(entry);
    if (!out.advance()) return;
  }
  const uint64_t total = contents.entries.size() + contents.unlisted;
  out.append(foot_of_page(listed, total - listed.directories - listed.files));
  out.flush();
}

}  // namespace ringserve::listing
