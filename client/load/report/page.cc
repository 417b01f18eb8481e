// The frame and the style of the reports: no script, nothing from elsewhere.
#include "client/load/report/page.h"

#include <fmt/format.h>

#include "client/load/report/format.h"
#include "common/text/html.h"

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

}  // namespace

std::string escaped(std::string_view text) { return text::html_escaped(printable(text)); }

std::string page_begin(std::string_view program, std::string_view title, std::string_view subtitle,
                       std::string_view more_style) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>{0}: {1}</title>\n<style>{2}{3}</style>\n</head>\n<body>\n<main>\n"
      "<h1>{1}</h1>\n<p class=\"soft\">{4}</p>\n",
      program, escaped(title), kStyle, more_style, escaped(subtitle));
}

std::string page_end() { return "</main>\n</body>\n</html>\n"; }

}  // namespace ringload
