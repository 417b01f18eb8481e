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
  EXPECT_EQ(decoded(std::string_view("/a\0b", 4)), "400");
  EXPECT_EQ(decoded("/a%2fb"), "404");
}

TEST(Target, may_be_in_absolute_form) {
  EXPECT_EQ(decoded("http://host/a/b"), "a/b");
  EXPECT_EQ(decoded("HTTP://host:80"), "");
  EXPECT_EQ(decoded("http://host?q"), "");
  EXPECT_EQ(decoded("https://host/a"), "a");
  EXPECT_EQ(decoded("http://host#f"), "");
  EXPECT_EQ(decoded("http://host//a/../b"), "b");
  EXPECT_EQ(decoded("http://host/.."), "400");
}

TEST(Target, in_absolute_form_tells_its_authority) {
  const auto authority = [](std::string_view target) {
    Target out;
    out.authority = "left over";
    EXPECT_EQ(decode_target(target, out), 0) << target;
    return std::string(out.authority);
  };
  EXPECT_EQ(authority("http://Host.example:80/a"), "Host.example:80");
  EXPECT_EQ(authority("https://[::1]?a"), "[::1]");
  EXPECT_EQ(authority("http://host"), "host");
  EXPECT_EQ(authority("/a"), "");
  EXPECT_EQ(authority("//host/a"), "");
}

TEST(Target, in_absolute_form_needs_a_host_and_nobodys_name) {
  for (const char* target :
       {"http://", "http:///a", "http://?a", "http://:80/", "http://user@host/",
        "http://user:secret@host/", "http://a b/", "http://h\\@e/", "http:/host", "http:host",
        "ftp://host/", "file:///etc/passwd", "//"}) {
    EXPECT_EQ(decoded(target), std::string_view(target) == "//" ? "" : "400") << target;
  }
}

TEST(Target, is_a_star_for_options_only) {
  Target out;
  EXPECT_EQ(decode_target("*", out, Method::options), 0);
  EXPECT_EQ(out.path, "");
  EXPECT_EQ(decode_target("*", out, Method::get), 400);
  EXPECT_EQ(decode_target("*", out, Method::head), 400);
  EXPECT_EQ(decode_target("*a", out, Method::options), 400);
  EXPECT_EQ(decode_target("/*", out, Method::get), 0);
  EXPECT_EQ(out.path, "*");
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

TEST(Target, shows_what_is_well_known) {
  const auto hidden = [](std::string_view target) {
    Target out;
    EXPECT_EQ(decode_target(target, out), 0) << target;
    return out.hidden;
  };
  EXPECT_FALSE(hidden("/.well-known"));
  EXPECT_FALSE(hidden("/.well-known/"));
  EXPECT_FALSE(hidden("/.well-known/acme-challenge/token"));
  EXPECT_FALSE(hidden("/%2ewell-known/security.txt"));
  EXPECT_FALSE(hidden("/a/../.well-known/x"));
  EXPECT_TRUE(hidden("/.well-known/.secret"));
  EXPECT_TRUE(hidden("/.well-known/a/.secret"));
  EXPECT_TRUE(hidden("/.well-knownx"));
  EXPECT_TRUE(hidden("/.Well-Known/x"));
  EXPECT_TRUE(hidden("/a/.well-known/x"));
  EXPECT_TRUE(hidden("/.well-known/../.git"));
}

TEST(Location, is_always_a_path_of_this_host) {
  EXPECT_EQ(encode_path("a b/\"\n/"), "/a%20b/%22%0A/");
  EXPECT_EQ(encode_path("\xff/"), "/%FF/");
  EXPECT_EQ(encode_path("a?b#c%/"), "/a%3Fb%23c%25/");
  EXPECT_EQ(encode_path(decoded("//evil.example/..a") + "/"), "/evil.example/..a/");
}

}  // namespace
}  // namespace ringserve::http
