// Listings: names of files are text and nothing else. The tags of the page are those of a page of
// harmless names, the JSON is JSON, and each reference leads to its file. Input: the path in a
// line, then a name in each line; a name that ends in a slash is a directory's.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "common/check.h"
#include "server/http/target.h"
#include "server/listing/listing_html.h"
#include "server/listing/listing_json.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/text.h"

namespace {

using namespace ringserve;
using listing::Contents;
using listing::Entry;

std::string html_of(const Contents& contents) {
  std::string page;
  listing::write_html(contents, [&](std::string_view piece) {
    page += piece;
    return true;
  });
  return page;
}

std::string json_of(const Contents& contents) {
  std::string text;
  listing::write_json(contents, [&](std::string_view piece) {
    text += piece;
    return true;
  });
  return text;
}

// Everything of a page that is markup, with the values of attributes left out: "<a href=>", "</a>".
std::string markup_of(std::string_view page) {
  std::string markup;
  bool in_tag = false;
  bool in_value = false;
  for (const char c : page) {
    if (!in_tag && c == '<') in_tag = true;
    if (in_tag && !in_value && c != '"') markup += c;
    if (in_tag && c == '"') in_value = !in_value;
    if (in_tag && !in_value && c == '>') in_tag = false;
  }
  CHECK(!in_tag && !in_value);
  return markup;
}

// As a browser reads the value of an attribute.
std::string without_entities(std::string text) {
  constexpr std::pair<std::string_view, char> kEntities[] = {
      {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&#39;", '\''}, {"&amp;", '&'}};
  for (size_t at = 0; (at = text.find('&', at)) != std::string::npos; ++at) {
    const auto begins_here = [&](const auto& each) {
      return std::string_view(text).substr(at, each.first.size()) == each.first;
    };
    const auto* entity = std::find_if(std::begin(kEntities), std::end(kEntities), begins_here);
    CHECK(entity != std::end(kEntities));
    text.replace(at, entity->first.size(), 1, entity->second);
  }
  return text;
}

std::vector<std::string> references_in(std::string_view page) {
  constexpr std::string_view kBegin = "href=\"";
  std::vector<std::string> references;
  for (size_t at = 0; (at = page.find(kBegin, at)) != std::string_view::npos;) {
    at += kBegin.size();
    references.push_back(without_entities(std::string(page.substr(at, page.find('"', at) - at))));
  }
  return references;
}

// Where a reference of the listing leads, as the server decodes it; it stays in its directory.
std::string followed(const std::string& reference) {
  CHECK(reference.rfind("./", 0) == 0);
  http::Target target;
  CHECK(http::decode_target("/" + reference, target) == 0 && target.query.empty());
  return target.path;
}

std::string followed_name(const Entry& entry) { return entry.name + (entry.directory ? "/" : ""); }

void check_html(const Contents& contents) {
  const std::string page = html_of(contents);
  Contents harmless = contents;
  for (Entry& entry : harmless.entries) entry.name = "name";
  harmless.path.clear();
  for (const char c : contents.path) {
    if (c == '/') harmless.path += "docs/";  // as deep as the other
  }
  CHECK(markup_of(page) == markup_of(html_of(harmless)));
  const auto references = references_in(page);
  for (const Entry& entry : contents.entries) {
    const auto leads_there = [&](const std::string& reference) {
      return reference.rfind("./", 0) == 0 && followed(reference) == followed_name(entry);
    };
    CHECK(std::any_of(references.begin(), references.end(), leads_there));
  }
}

void check_json(const Contents& contents) {
  const auto json = nlohmann::json::parse(json_of(contents));
  CHECK(json.at("total") == contents.entries.size() && json.at("truncated") == false);
  const auto& entries = json.at("entries");
  CHECK(entries.size() == contents.entries.size());
  for (size_t i = 0; i < entries.size(); ++i) {
    const Entry& entry = contents.entries[i];
    CHECK(followed(entries[i].at("href").get<std::string>()) == followed_name(entry));
    CHECK(entries[i].at("type") == (entry.directory ? "directory" : "file"));
    CHECK(entries[i].at("name").is_string());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kEntriesMax = 20;
  fuzz::Input input(data, size);
  http::Target target;
  if (http::decode_target("/" + std::string(input.line()) + "/", target) != 0) return 0;
  Contents contents;
  contents.path = target.path;
  if (!contents.path.empty() && contents.path.back() != '/') contents.path += '/';
  while (!input.empty() && contents.entries.size() < kEntriesMax) {
    const std::string_view name = input.line();
    Entry entry;
    entry.directory = !name.empty() && name.back() == '/';
    entry.name = name.substr(0, name.size() - (entry.directory ? 1 : 0));
    entry.size_bytes = name.size();
    // What no file is called.
    if (entry.name.empty() || entry.name == "." || entry.name == ".." ||
        entry.name.find_first_of(std::string_view("/\0", 2)) != std::string::npos) {
      continue;
    }
    contents.entries.push_back(std::move(entry));
  }
  check_html(contents);
  check_json(contents);
  return 0;
}
