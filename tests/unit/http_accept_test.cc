// Content codings and media types by the client's weights: RFC 9110 sections 12.4 and 12.5.
#include "server/http/accept.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ringserve::http {
namespace {

// "406", "identity" or the coding that is chosen.
std::string chosen(std::string_view accept_encoding,
                   const std::vector<std::string_view>& codings = {"br", "zstd", "gzip"}) {
  const CodingChoice choice = choose_coding(accept_encoding, codings);
  if (!choice.acceptable) return "406";
  if (choice.index == CodingChoice::kIdentity) return "identity";
  return std::string(codings.at(static_cast<size_t>(choice.index)));
}

TEST(AcceptEncoding, chooses_what_the_server_prefers_among_equals) {
  EXPECT_EQ(chosen("gzip, deflate, br, zstd"), "br");
  EXPECT_EQ(chosen("gzip, zstd"), "zstd");
  EXPECT_EQ(chosen("gzip, br", {"gzip", "br"}), "gzip");
  EXPECT_EQ(chosen("gzip, identity"), "gzip");
}

TEST(AcceptEncoding, chooses_the_highest_weight) {
  EXPECT_EQ(chosen("br;q=0.5, gzip;q=0.8, zstd;q=0.1"), "gzip");
  EXPECT_EQ(chosen("gzip;q=0.999, br;q=0.998"), "gzip");
  EXPECT_EQ(chosen("br;q=0.5, identity;q=0.6"), "identity");
  EXPECT_EQ(chosen("br;q=0.6, identity;q=0.5"), "br");
  EXPECT_EQ(chosen("br;q=0.001"), "br") << "asked for, which identity is not";
  EXPECT_EQ(chosen("br ; q=0.5 , gzip\t;\tq=1"), "gzip");
  EXPECT_EQ(chosen("br;Q=0.5, gzip;q=0.6"), "gzip");
}

TEST(AcceptEncoding, gives_identity_to_who_asks_for_nothing_known) {
  EXPECT_EQ(chosen(""), "identity");
  EXPECT_EQ(chosen("  "), "identity");
  EXPECT_EQ(chosen("deflate, compress"), "identity");
  EXPECT_EQ(chosen("identity"), "identity");
  EXPECT_EQ(chosen("gzip", {}), "identity");
  EXPECT_EQ(chosen("gzip", {"br"}), "identity");
}

TEST(AcceptEncoding, never_sends_what_is_refused) {
  EXPECT_EQ(chosen("br;q=0, gzip"), "gzip");
  EXPECT_EQ(chosen("br;q=0.000, zstd;q=0.0, gzip;q=0."), "identity");
  EXPECT_EQ(chosen("*, br;q=0", {"br"}), "identity");
  EXPECT_EQ(chosen("identity;q=0, gzip;q=0.1"), "gzip");
  EXPECT_EQ(chosen("*;q=0, gzip"), "gzip");
}

TEST(AcceptEncoding, may_refuse_everything) {
  EXPECT_EQ(chosen("identity;q=0"), "406");
  EXPECT_EQ(chosen("*;q=0"), "406");
  EXPECT_EQ(chosen("deflate, *;q=0"), "406");
  EXPECT_EQ(chosen("identity;q=0, br", {"gzip"}), "406");
  EXPECT_EQ(chosen("identity;q=0, *;q=0", {}), "406");
  EXPECT_EQ(chosen("*;q=0, identity"), "identity");
  EXPECT_EQ(chosen("*;q=0, identity;q=0.1"), "identity");
}

TEST(AcceptEncoding, has_a_star_for_what_is_not_named) {
  EXPECT_EQ(chosen("*"), "br");
  EXPECT_EQ(chosen("*;q=0.5, gzip"), "gzip");
  EXPECT_EQ(chosen("gzip;q=0.5, *;q=0.8", {"gzip"}), "identity") << "the star names it too";
  EXPECT_EQ(chosen("identity;q=0, *"), "br");
  EXPECT_EQ(chosen("br;q=0, zstd;q=0, *"), "gzip");
}

TEST(AcceptEncoding, ignores_the_case_and_knows_the_old_name_of_gzip) {
  EXPECT_EQ(chosen("GZIP"), "gzip");
  EXPECT_EQ(chosen("x-gzip"), "gzip");
  EXPECT_EQ(chosen("X-GZip;q=0.5"), "gzip");
  EXPECT_EQ(chosen("IDENTITY;q=0"), "406");
  EXPECT_EQ(chosen("x-br"), "identity");
}

TEST(AcceptEncoding, ignores_elements_that_are_malformed) {
  for (const char* element : {"br;q=2",   "br;q=1.1", "br;q=1.001", "br;q=0.1234", "br;q=-1",
                              "br;q=",    "br;q=.5",  "br;q=a",     "br;q=0,5",    "br;q=0x1",
                              "br;q=1e0", "br;q = 1", "br q=1",     "br;q",        "b r",
                              "br/gzip",  "\"br\"",   "br;q=\"1\"", "br;q=1;",     "br;q=NaN",
                              "br;q=+1",  ";q=1",     "br;;=1"}) {
    const std::string got = chosen(element, {"br"});
    const bool is_lenient = std::string_view(element) == "br;q=1;";
    EXPECT_EQ(got, is_lenient ? "br" : "identity") << element;
    EXPECT_EQ(chosen(std::string(element) + ", gzip;q=0.1", {"gzip"}), "gzip") << element;
  }
}

TEST(AcceptEncoding, of_16_kib_is_read_once) {
  std::string list;
  while (list.size() < 16 * 1024) list += "br;q=0,";
  EXPECT_EQ(chosen(list + "gzip"), "gzip");
}

TEST(Accept, prefers_json_where_it_says_so) {
  EXPECT_TRUE(prefers_json("application/json"));
  EXPECT_TRUE(prefers_json("Application/JSON; charset=utf-8"));
  EXPECT_TRUE(prefers_json("application/json, text/html;q=0.9"));
  EXPECT_TRUE(prefers_json("application/json, text/plain, */*;q=0.5"));
  EXPECT_TRUE(prefers_json("application/*, text/html;q=0.5"));
  EXPECT_TRUE(prefers_json("*/*, text/html;q=0.5"));
  EXPECT_TRUE(prefers_json("text/html;q=0, */*"));
  EXPECT_TRUE(prefers_json("application/json;profile=\"a,b\";q=0.2, text/html;q=0.1"));
}

TEST(Accept, prefers_html_otherwise) {
  EXPECT_FALSE(prefers_json(""));
  EXPECT_FALSE(prefers_json("*/*"));
  EXPECT_FALSE(prefers_json("text/html, application/json"));
  EXPECT_FALSE(prefers_json(
      "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"));
  EXPECT_FALSE(prefers_json("application/json;q=0"));
  EXPECT_FALSE(prefers_json("application/json;q=0.5, */*"));
  EXPECT_FALSE(prefers_json("application/*;q=0.5, text/*"));
  EXPECT_FALSE(prefers_json("image/png"));
  EXPECT_FALSE(prefers_json("application/json;q=7"));
  EXPECT_FALSE(prefers_json("application/jsonx, xapplication/json"));
}

TEST(Accept, lets_the_more_precise_range_decide) {
  EXPECT_TRUE(prefers_json("application/*;q=0.1, application/json, text/html;q=0.5"));
  EXPECT_FALSE(prefers_json("application/json;q=0.1, application/*, text/html;q=0.5"));
}

}  // namespace
}  // namespace ringserve::http
