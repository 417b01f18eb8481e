// Redirects of a site: which Location, and never one that the client chose the host of.
#include "server/http/redirects.h"

#include <gtest/gtest.h>

#include <vector>

namespace ringserve::http {
namespace {

std::string location(const Rule& rule, std::string_view path, std::string_view query = "") {
  return location_for(std::vector<Rule>{rule}, path, query).value_or("(none)");
}

TEST(Redirect, is_for_exactly_its_path) {
  const Rule rule{"/old", "/new"};
  EXPECT_EQ(location(rule, "old"), "/new");
  EXPECT_EQ(location(rule, "old/"), "(none)");
  EXPECT_EQ(location(rule, "older"), "(none)");
  EXPECT_EQ(location(rule, "Old"), "(none)");
  EXPECT_EQ(location(rule, ""), "(none)");
  EXPECT_EQ(location({"/", "/start"}, ""), "/start");
  EXPECT_EQ(location({"/a b", "/a%20c"}, "a b"), "/a%20c") << "from is decoded, to is encoded";
}

TEST(Redirect, with_a_star_is_for_everything_below) {
  const Rule rule{"/old/*", "/new/*"};
  EXPECT_EQ(location(rule, "old/"), "/new/");
  EXPECT_EQ(location(rule, "old/a"), "/new/a");
  EXPECT_EQ(location(rule, "old/a/b/"), "/new/a/b/");
  EXPECT_EQ(location(rule, "old"), "(none)");
  EXPECT_EQ(location(rule, "older/a"), "(none)");
  EXPECT_EQ(location({"/*", "https://new.example/*"}, "a/b"), "https://new.example/a/b");
  EXPECT_EQ(location({"/*", "https://new.example/*"}, ""), "https://new.example/");
  EXPECT_EQ(location({"/old/*", "/gone"}, "old/a/b"), "/gone");
  EXPECT_EQ(location({"/blog/*", "/archive-*"}, "blog/7"), "/archive-7");
}

TEST(Redirect, is_the_first_that_applies) {
  const std::vector<Rule> rules = {{"/a", "/1"}, {"/a/*", "/2/*"}, {"/*", "/3"}, {"/a/b", "/4"}};
  EXPECT_EQ(location_for(rules, "a", ""), "/1");
  EXPECT_EQ(location_for(rules, "a/b", ""), "/2/b");
  EXPECT_EQ(location_for(rules, "b", ""), "/3");
  EXPECT_EQ(location_for({}, "b", ""), std::nullopt);
}

TEST(Redirect, keeps_the_query) {
  EXPECT_EQ(location({"/a", "/b"}, "a", "?x=1&y=%20"), "/b?x=1&y=%20");
  EXPECT_EQ(location({"/a", "/b?z=0"}, "a", "?x=1"), "/b?z=0&x=1");
  EXPECT_EQ(location({"/a", "/b#part"}, "a", "?x=1"), "/b?x=1#part");
  EXPECT_EQ(location({"/a", "/b#part?"}, "a", "?x=1"), "/b?x=1#part?");
  EXPECT_EQ(location({"/a/*", "https://h.example"}, "a/b", "?x"), "https://h.example?x");
  EXPECT_EQ(location({"/a", "/b"}, "a", "?x\r\ny#z\x80"), "/b?x%0D%0Ay%23z%80");
}

TEST(Redirect, encodes_what_the_star_stood_for) {
  const Rule rule{"/old/*", "/new/*"};
  EXPECT_EQ(location(rule, "old/a b\"<>"), "/new/a%20b%22%3C%3E");
  EXPECT_EQ(location(rule, "old/a?b#c%d"), "/new/a%3Fb%23c%25d");
  EXPECT_EQ(location(rule, "old/x\r\nSet-Cookie: a=b"), "/new/x%0D%0ASet-Cookie:%20a=b");
  EXPECT_EQ(location(rule, "old/\xC3\xBC"), "/new/%C3%BC");
  EXPECT_EQ(location({"/s/*", "/search?q=*"}, "s/a&b=c+d"), "/search?q=a%26b%3Dc%2Bd");
  EXPECT_EQ(location({"/s/*", "/page#*"}, "s/a b"), "/page#a%20b");
}

TEST(Redirect, never_leads_to_a_host_of_the_clients_choice) {
  EXPECT_EQ(location({"/old/*", "/*"}, "old//evil.example"), "/evil.example");
  EXPECT_EQ(location({"/old/*", "/*"}, "old////evil.example/x"), "/evil.example/x");
  EXPECT_EQ(location({"/old/*", "/*"}, "old/\\evil.example"), "/%5Cevil.example");
  EXPECT_EQ(location({"/old/*", "/*"}, "old/\t/evil.example"), "/%09/evil.example");
  EXPECT_EQ(location({"/*", "/*"}, "/evil.example"), "/evil.example");
  EXPECT_EQ(location({"/*", "/*"}, "http://evil.example"), "/http://evil.example");
  EXPECT_EQ(location({"/*", "https://good.example*"}, ".evil.example"),
            "https://good.example/.evil.example");
  EXPECT_EQ(location({"/*", "https://good.example*"}, "@evil.example"),
            "https://good.example/@evil.example");
  EXPECT_EQ(location({"/*", "https://good.example*"}, ":80@evil.example"),
            "https://good.example/:80@evil.example");
  EXPECT_EQ(location({"/*", "https://go*od.example*"}, ".evil.example"),
            "https://go*od.example/.evil.example");
  EXPECT_EQ(location({"/*", "https://good.example:44*"}, "3@evil.example"),
            "https://good.example:44/3@evil.example");
}

TEST(Redirect, that_names_no_place_of_its_own_is_never_applied) {
  for (const char* to : {"",
                         "*",
                         "new",
                         "new/*",
                         "//evil.example",
                         "//*",
                         "/\\evil.example",
                         "/\\*",
                         "https:",
                         "https:*",
                         "https://",
                         "https://*",
                         "https:///x",
                         "http://user@host/",
                         "https://a b/",
                         "javascript:*",
                         "data:*",
                         "ftp://host/",
                         "/a\r\nX: y",
                         "/a b",
                         "/\t/evil.example",
                         "/\xC3\xBC",
                         "http://\\evil/",
                         "https:/evil.example",
                         " /a"}) {
    EXPECT_FALSE(is_usable({"/*", to})) << to;
    EXPECT_EQ(location({"/*", to}, "evil.example"), "(none)") << to;
  }
  EXPECT_FALSE(is_usable({"old", "/new"}));
  EXPECT_FALSE(is_usable({"", "/new"}));
  EXPECT_EQ(location({"", "/new"}, ""), "(none)");
  EXPECT_TRUE(is_usable({"/old", "/new"}));
  EXPECT_TRUE(is_usable({"/old/*", "HTTPS://Host.example:8443/new/*"}));
  EXPECT_TRUE(is_usable({"/old/*", "http://[::1]:80/*"}));
}

}  // namespace
}  // namespace ringserve::http
