// Lists, white space and case: RFC 9110 section 5.6.
#include "server/http/text.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/http/reply.h"

namespace ringserve::http {
namespace {

std::vector<std::string> elements(std::string_view list) {
  std::vector<std::string> found;
  std::string_view element;
  while (next_element(list, element)) found.emplace_back(element);
  return found;
}

using Strings = std::vector<std::string>;

TEST(HttpList, is_cut_at_commas_and_trimmed) {
  EXPECT_EQ(elements("a,b ,\tc"), (Strings{"a", "b", "c"}));
  EXPECT_EQ(elements(" a b "), (Strings{"a b"}));
}

TEST(HttpList, has_no_empty_elements) {
  EXPECT_EQ(elements(""), Strings{});
  EXPECT_EQ(elements(" , ,\t"), Strings{});
  EXPECT_EQ(elements(",a,,b,"), (Strings{"a", "b"}));
}

TEST(HttpList, is_not_cut_within_quotes) {
  EXPECT_EQ(elements(R"(a="x,y", b)"), (Strings{R"(a="x,y")", "b"}));
  EXPECT_EQ(elements(R"("x\",y",b)"), (Strings{R"("x\",y")", "b"}));
  EXPECT_EQ(elements(R"(a,"b,c)"), (Strings{"a", R"("b,c)"}));
  EXPECT_EQ(elements("\"a\\"), Strings{"\"a\\"});
}

TEST(HttpText, ignores_the_case_of_ascii_letters_only) {
  EXPECT_TRUE(equals_ignoring_case("GZip", "gzIP"));
  EXPECT_FALSE(equals_ignoring_case("gzip", "gzi"));
  EXPECT_FALSE(equals_ignoring_case("[", "{"));
  EXPECT_FALSE(equals_ignoring_case("\xC4", "\xE4"));
  EXPECT_TRUE(starts_with_ignoring_case("Bytes=1", "bytes="));
  EXPECT_FALSE(starts_with_ignoring_case("byte", "bytes="));
}

TEST(HttpText, knows_the_characters_of_a_token) {
  for (const char c : std::string("aZ09!#$%&'*+-.^_`|~")) EXPECT_TRUE(is_token_char(c)) << c;
  for (const char c : std::string("\0 \t\"(),/:;<=>?@[\\]{}\x7F\x80\xFF", 22)) {
    EXPECT_FALSE(is_token_char(c)) << static_cast<int>(c);
  }
}

TEST(ReasonPhrase, is_there_for_every_status_that_is_sent) {
  for (const int status : {200, 204, 206, 301, 304, 400, 403, 404, 405, 406, 408,
                           412, 413, 414, 416, 417, 429, 431, 500, 501, 503, 505}) {
    EXPECT_NE(reason_phrase(status), "Unknown") << status;
  }
  EXPECT_EQ(reason_phrase(299), "Unknown");
}

}  // namespace
}  // namespace ringserve::http
