// The configuration file: whatever it holds, each mistake has a place within it and is told in
// lines that cannot steer a terminal; what is accepted is safe to serve by. Input: the file.
#include <algorithm>
#include <string>
#include <vector>

#include "common/check.h"
#include "server/config/assemble.h"
#include "server/http/redirects.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/text.h"

namespace {

using namespace ringserve::config;

constexpr const char* kName = "site.toml";

void check_place(const Place& place, std::string_view text) {
  const auto lines = fuzz::split(text, '\n');
  CHECK(place.line >= 1 && place.line <= lines.size());
  // A file may end too soon, which is behind its last line's end.
  CHECK(place.column >= 1 && place.column <= lines[place.line - 1].size() + 2);
}

void check_explained(const Mistakes& mistakes, std::string_view text) {
  for (const Mistake& mistake : mistakes) CHECK(!mistake.message.empty());
  CHECK(mistakes.empty() || !fuzz::has_control(in_one_line(mistakes, kName)));
  const std::string told = explain(mistakes, kName, text);
  CHECK(mistakes.empty() || told.back() == '\n');
  for (const std::string_view line : fuzz::split(told, '\n')) {
    // The line of the file keeps its tabs, so that the caret stands below the right column.
    const auto steers = [](char c) { return fuzz::is_control(c) && c != '\t'; };
    CHECK(std::none_of(line.begin(), line.end(), steers));
  }
}

// Assembling reads the file of --tuning, which has a target of its own.
bool names_a_file_to_read(const Document& document) {
  const auto is_tuning = [](const Said& said) { return said.setting->name == "tuning"; };
  return std::any_of(document.top.begin(), document.top.end(), is_tuning);
}

void check_lines(const std::vector<std::string>& values) {
  for (const std::string& value : values) CHECK(!fuzz::has_control(value));
}

void check_site(const SiteConfig& site) {
  for (const std::string& name : site.names) CHECK(name == fuzz::lower_case(name));
  check_lines(site.names);
  check_lines(site.headers);
  check_lines(site.cors);
  check_lines({site.charset});
  for (const std::string& header : site.headers) {
    CHECK(fuzz::is_token(std::string_view(header).substr(0, header.find(':'))));
  }
  for (const auto& page : site.error_pages) CHECK(page.status >= 400 && page.status <= 599);
  for (const auto& rule : site.cache_control) check_lines({rule.value});
  for (const auto& [extension, type] : site.media_types) check_lines({extension, type});
  for (const auto& redirect : site.redirects) {
    CHECK(ringserve::http::is_usable({redirect.from, redirect.to}));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (size > kDocumentBytesMax) return 0;
  Mistakes mistakes;
  const Document document = parse_document(kName, text, mistakes);
  for (const Mistake& mistake : mistakes) check_place(mistake.place, text);
  check_explained(mistakes, text);
  if (names_a_file_to_read(document)) return 0;

  const Assembled assembled = assemble({}, &document, mistakes);
  for (const Mistake& mistake : mistakes) {
    if (mistake.place.line != 0) check_place(mistake.place, text);
  }
  check_explained(mistakes, text);
  if (count_errors(mistakes) > 0) return 0;
  CHECK(!assembled.options.sites.empty());
  for (const SiteConfig& site : assembled.options.sites) check_site(site);
  return 0;
}
