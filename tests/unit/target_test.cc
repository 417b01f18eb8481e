// Request targets as paths: decoding, dot segments, and what a Location may say.
#include "server/http/target.h"

#include <gtest/gtest.h>

namespace ringserve::http {
namespace {

std::string decoded(std::string_view target) {
  Target out;
  const int status = decode_target(target, out);
  return status == 0 ? out.path : std::to_string(status);
}

TEST(Target, names_a_path_below_the_root) {
  EXPECT_EQ(decoded("/"), "");
  EXPECT_EQ(decoded("/a/b.txt"), "a/b.txt");
  EXPECT_EQ(decoded("/a/"), "a/");
  EXPECT_EQ(decoded("//a///b"), "a/b");
  EXPECT_EQ(decoded("/a%20b%22%0a"), "a b\"\n");
  EXPECT_EQ(decoded("/%ff%FE"), "\xff\xfe");
  EXPECT_EQ(decoded("/a+b"), "a+b");
}

TEST(Target, has_no_dot_segments) {
  EXPECT_EQ(decoded("/a/./b"), "a/b");
  EXPECT_EQ(decoded("/a/../b"), "b");
  EXPECT_EQ(decoded("/a/b/../../c"), "c");
  EXPECT_EQ(decoded("/a/b/.."), "a/");
  EXPECT_EQ(decoded("/a/.."), "");
  EXPECT_EQ(decoded("/a/%2e%2E/b"), "b");
  EXPECT_EQ(decoded("/."), "");
  EXPECT_EQ(decoded("/.."), "400");
  EXPECT_EQ(decoded("/a/../.."), "400");
  EXPECT_EQ(decoded("/%2e%2e/etc/passwd"), "400");
  EXPECT_EQ(decoded("//.."), "400");
  EXPECT_EQ(decoded("/a..b/..c"), "a..b/..c");
}

TEST(Target, is_refused_when_malformed) {
  EXPECT_EQ(decoded(""), "400");
  EXPECT_EQ(decoded("*"), "400");
  EXPECT_EQ(decoded("a"), "400");
  EXPECT_EQ(decoded("/%"), "400");
  EXPECT_EQ(decoded("/%4"), "400");
  EXPECT_EQ(decoded("/%4g"), "400");
  EXPECT_EQ(decoded("/a%00b"), "400");
  EXPECT_EQ(decoded("/a%2fb"), "404");
}

TEST(Target, may_be_in_absolute_form) {
  EXPECT_EQ(decoded("http://host/a/b"), "a/b");
  EXPECT_EQ(decoded("HTTP://host:80"), "");
  EXPECT_EQ(decoded("http://host?q"), "");
}

TEST(Target, keeps_the_query_apart) {
  Target out;
  ASSERT_EQ(decode_target("/a%20b?c=%2f&d#e", out), 0);
  EXPECT_EQ(out.path, "a b");
  EXPECT_EQ(out.query, "?c=%2f&d");
}

TEST(Target, marks_hidden_names) {
  const auto hidden = [](std::string_view target) {
    Target out;
    EXPECT_EQ(decode_target(target, out), 0) << target;
    return out.hidden;
  };
  EXPECT_TRUE(hidden("/.git/config"));
  EXPECT_TRUE(hidden("/a/.b"));
  EXPECT_TRUE(hidden("/a/%2eb"));
  EXPECT_TRUE(hidden("/..a"));
  EXPECT_FALSE(hidden("/a/./b"));
  EXPECT_FALSE(hidden("/a.b/c."));
  EXPECT_FALSE(hidden("/.a/../b"));
}

TEST(Location, is_always_a_path_of_this_host) {
  EXPECT_EQ(encode_path("a b/\"\n/"), "/a%20b/%22%0A/");
  EXPECT_EQ(encode_path("\xff/"), "/%FF/");
  EXPECT_EQ(encode_path("a?b#c%/"), "/a%3Fb%23c%25/");
  EXPECT_EQ(encode_path(decoded("//evil.example/..a") + "/"), "/evil.example/..a/");
}

}  // namespace
}  // namespace ringserve::http
