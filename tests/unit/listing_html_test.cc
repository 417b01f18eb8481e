// The page of a directory: what its links lead to, that no name leaves its place, and that it stays
// within its bounds.
#include "server/listing/listing_html.h"

#include <algorithm>

#include "server/listing/text.h"
#include "tests/unit/listing_support.h"

namespace ringserve::listing {
namespace {

std::string page_of(const Contents& contents, uint64_t bytes_max = kListingBytesMax) {
  std::string page;
  const Sink sink = [&page](std::string_view piece) {
    page += piece;
    return true;
  };
  write_html(contents, sink, bytes_max);
  return page;
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

// As a browser reads an attribute value.
std::string unescaped(std::string text) {
  replace_all(text, "&lt;", "<");
  replace_all(text, "&gt;", ">");
  replace_all(text, "&quot;", "\"");
  replace_all(text, "&#39;", "'");
  replace_all(text, "&amp;", "&");
  return text;
}

struct Row {
  std::string reference;
  std::string text;  // between <bdi> and </bdi>
};

std::vector<Row> rows_of(const std::string& page) {
  std::vector<Row> rows;
  const auto between = [&page](const std::string& begin, const std::string& end, size_t& at) {
    at = page.find(begin, at);
    if (at == std::string::npos) return std::string();
    at += begin.size();
    return page.substr(at, page.find(end, at) - at);
  };
  for (size_t at = page.find("<tbody>");;) {
    Row row;
    row.reference = unescaped(between(" href=\"", "\"", at));
    if (at == std::string::npos || row.reference == "?format=json") return rows;
    if (row.reference != "../") row.text = unescaped(between("<bdi>", "</bdi>", at));
    rows.push_back(std::move(row));
  }
}

size_t count(const std::string& text, const std::string& what) {
  size_t found = 0;
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += what.size()) ++found;
  return found;
}

TEST(ListingHtml, every_reference_leads_to_its_name) {
  Contents contents;
  for (const std::string& name : kHostileNames) contents.entries.push_back(file_entry(name));
  const std::vector<Row> rows = rows_of(page_of(contents));
  ASSERT_EQ(rows.size(), kHostileNames.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    EXPECT_TRUE(leads_to(rows[i].reference, kHostileNames[i]));
  }
}

TEST(ListingHtml, references_to_directories_end_in_a_slash) {
  Contents contents;
  contents.entries = {directory_entry("sub dir")};
  const std::vector<Row> rows = rows_of(page_of(contents));
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].reference, "./sub%20dir/");
}

TEST(ListingHtml, names_are_text_and_nothing_else) {
  Contents contents;
  contents.entries = {file_entry("plain")};
  const std::string plain = page_of(contents);
  for (const std::string& name : kHostileNames) {
    contents.entries = {file_entry(name)};
    const std::string page = page_of(contents);
    for (const char* delimiter : {"<", ">", "\""}) {
      EXPECT_EQ(count(page, delimiter), count(plain, delimiter)) << name;
    }
  }
}

TEST(ListingHtml, names_can_be_read) {
  Contents contents;
  contents.entries = {file_entry("a&b <c>"), file_entry("new\nline\x7f"), file_entry("\xff-\xe9"),
                      file_entry("ümläut")};
  const std::vector<Row> rows = rows_of(page_of(contents));
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_EQ(rows[0].text, "a&b <c>");
  EXPECT_EQ(rows[1].text, "new\u240Aline\u2421");
  EXPECT_EQ(rows[2].text, "\uFFFD-\uFFFD");
  EXPECT_EQ(rows[3].text, "ümläut");
}

TEST(ListingHtml, the_path_is_escaped_too) {
  Contents contents;
  contents.path = "<script>/\xff\"/";
  const std::string page = page_of(contents);
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_NE(page.find("<title>Index of /&lt;script&gt;/\uFFFD&quot;/</title>"), std::string::npos);
}

TEST(ListingHtml, parents_are_links) {
  Contents contents;
  contents.path = "docs/img/";
  const std::string page = page_of(contents);
  EXPECT_NE(page.find("<h1><a href=\"../../\"><bdi>root</bdi></a> / "
                      "<a href=\"../\"><bdi>docs</bdi></a> / <bdi>img</bdi></h1>"),
            std::string::npos)
      << page;
  EXPECT_NE(page.find("href=\"../\">Parent directory"), std::string::npos);
  contents.path = "";
  const std::string root = page_of(contents);
  EXPECT_NE(root.find("<h1><bdi>root</bdi></h1>"), std::string::npos);
  EXPECT_EQ(root.find("../"), std::string::npos) << "there is nothing above the root";
}

TEST(ListingHtml, sizes_and_dates_are_said_twice) {
  Contents contents;
  contents.entries = {file_entry("a", 1'234'567)};
  const std::string page = page_of(contents);
  EXPECT_NE(page.find("title=\"1234567 bytes\">1.2 MiB"), std::string::npos) << page;
  EXPECT_NE(page.find("<time datetime=\"2026-11-21T06:40:00Z\">2026-11-21<span> 06:40</span>"),
            std::string::npos)
      << page;
}

TEST(ListingHtml, the_foot_counts) {
  Contents contents;
  EXPECT_NE(page_of(contents).find("Empty"), std::string::npos);
  contents.entries = {directory_entry("d"), file_entry("a", 1024), file_entry("b", 1024)};
  EXPECT_NE(page_of(contents).find("1 directory, 2 files, 2.0 KiB"), std::string::npos);
  EXPECT_EQ(page_of(contents).find("more"), std::string::npos);
  contents.unlisted = 17;
  EXPECT_NE(page_of(contents).find("and 17 more"), std::string::npos);
}

TEST(ListingHtml, a_page_too_long_is_cut_and_says_so) {
  constexpr uint64_t kLimit = 100'000;
  Contents contents;
  for (int i = 0; i < 10'000; ++i) contents.entries.push_back(file_entry(std::to_string(i)));
  contents.unlisted = 5;
  const std::string page = page_of(contents, kLimit);
  const size_t rows = rows_of(page).size();
  EXPECT_GT(page.size(), kLimit);
  EXPECT_LT(page.size(), kLimit + 4096);
  EXPECT_GT(rows, 100U);
  EXPECT_NE(page.find("and " + std::to_string(10'005 - rows) + " more"), std::string::npos);
  EXPECT_NE(page.find("</html>"), std::string::npos);
}

TEST(ListingHtml, comes_in_pieces_and_stops_when_told) {
  Contents contents;
  for (int i = 0; i < 10'000; ++i) contents.entries.push_back(file_entry(std::to_string(i)));
  size_t pieces = 0;
  size_t longest = 0;
  const Sink all = [&](std::string_view piece) {
    ++pieces;
    longest = std::max(longest, piece.size());
    return true;
  };
  write_html(contents, all);
  EXPECT_GT(pieces, 10U);
  EXPECT_LT(longest, Output::kPieceBytes + 4096);

  pieces = 0;
  const Sink enough = [&pieces](std::string_view) { return ++pieces < 3; };
  write_html(contents, enough);
  EXPECT_EQ(pieces, 3U);
}

TEST(ListingHtml, needs_no_script_and_no_other_file) {
  Contents contents;
  contents.entries = {file_entry("a")};
  const std::string page = page_of(contents);
  for (const char* word : {"<script", " on", "src=", "url(", "@import", " style="}) {
    EXPECT_EQ(page.substr(page.find("<body>")).find(word), std::string::npos) << word;
  }
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_EQ(page.find("url("), std::string::npos);
  EXPECT_NE(page.find("lang=\"en\""), std::string::npos);
  EXPECT_NE(page.find("name=\"viewport\""), std::string::npos);
  EXPECT_NE(page.find("prefers-color-scheme:dark"), std::string::npos);
}

TEST(ListingText, sizes_are_short) {
  const std::vector<std::pair<uint64_t, std::string>> sizes{
      {0, "0 B"},
      {1023, "1023 B"},
      {1024, "1.0 KiB"},
      {1536, "1.5 KiB"},
      {10'188, "9.9 KiB"},
      {10'240, "10 KiB"},
      {1'048'063, "1023 KiB"},
      {1'048'575, "1.0 MiB"},
      {1'048'576, "1.0 MiB"},
      {5'368'709'120, "5.0 GiB"},
      {UINT64_MAX, "16 EiB"},
  };
  for (const auto& [bytes, text] : sizes) EXPECT_EQ(as_size(bytes), text) << bytes;
}

TEST(ListingText, dates_outside_of_four_digits_are_not_said) {
  EXPECT_EQ(as_utc(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(as_utc(-1), "1969-12-31T23:59:59Z");
  EXPECT_EQ(as_utc(253'402'300'799), "9999-12-31T23:59:59Z");
  EXPECT_EQ(as_utc(253'402'300'800), "");
  EXPECT_EQ(as_utc(INT64_MAX), "");
  EXPECT_EQ(as_utc(INT64_MIN), "");
}

}  // namespace
}  // namespace ringserve::listing
