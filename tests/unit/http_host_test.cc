// Authorities, hosts and the names of sites: RFC 9110 sections 4.2 and 7.2, RFC 3986 section 3.2.
#include "server/http/host.h"

#include <gtest/gtest.h>

namespace ringserve::http {
namespace {

const std::string kRefused = "(refused)";

std::string normalised(std::string_view authority) {
  std::string host = "left over";
  if (normalise_host(authority, host)) return host;
  EXPECT_EQ(host, "") << authority;
  return kRefused;
}

TEST(Host, is_in_lower_case_without_port_and_final_dot) {
  EXPECT_EQ(normalised("example.org"), "example.org");
  EXPECT_EQ(normalised("WWW.Example.ORG"), "www.example.org");
  EXPECT_EQ(normalised("example.org:8080"), "example.org");
  EXPECT_EQ(normalised("example.org:"), "example.org");
  EXPECT_EQ(normalised("example.org."), "example.org");
  EXPECT_EQ(normalised("Example.org.:80"), "example.org");
  EXPECT_EQ(normalised("localhost"), "localhost");
  EXPECT_EQ(normalised("127.0.0.1:1"), "127.0.0.1");
  EXPECT_EQ(normalised("a_b-c~d"), "a_b-c~d");
  EXPECT_EQ(normalised("B%C3%BCcher.example"), "b%c3%bccher.example");
}

TEST(Host, of_ipv6_keeps_its_brackets) {
  EXPECT_EQ(normalised("[::1]"), "[::1]");
  EXPECT_EQ(normalised("[2001:DB8::A]:443"), "[2001:db8::a]");
  EXPECT_EQ(normalised("[::ffff:192.0.2.1]"), "[::ffff:192.0.2.1]");
}

TEST(Host, may_be_empty_only_where_nothing_else_is_said) {
  EXPECT_EQ(normalised(""), "");
  EXPECT_EQ(normalised(":80"), kRefused);
}

TEST(Host, is_refused_when_malformed) {
  for (const char* authority : {".",
                                "..",
                                "a..",
                                "a..b",
                                ".a",
                                "a b",
                                " a",
                                "a ",
                                "a/b",
                                "a?b",
                                "a#b",
                                "a\\b",
                                "a\"",
                                "<a>",
                                "user@a",
                                "u:p@a",
                                "a:80:80",
                                "a:x",
                                "a:-1",
                                "a:8 0",
                                "a%",
                                "a%4",
                                "a%4g",
                                "a%zz",
                                "[::1",
                                "::1",
                                "[::1]x",
                                "[::1]:x",
                                "[]",
                                "[v1.a]",
                                "[1.2.3.4]",
                                "[::1%25lo]",
                                "[:::1]",
                                "a\tb",
                                "a\r\nb",
                                "a^b",
                                "a|b",
                                "{a}",
                                "http://a",
                                "\xC3\xBC",
                                "*.a",
                                "a*",
                                "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]"}) {
    EXPECT_EQ(normalised(authority), kRefused) << authority;
  }
  EXPECT_EQ(normalised(std::string_view("a\0b", 3)), kRefused);
  EXPECT_EQ(normalised(std::string_view("[::1\0]", 6)), kRefused);
}

TEST(Host, is_the_same_when_normalised_again) {
  for (const char* authority : {"Example.org.:80", "[2001:DB8::A]:443", "a%2Eb", "x"}) {
    EXPECT_EQ(normalised(normalised(authority)), normalised(authority)) << authority;
  }
}

TEST(HostPattern, is_a_name_or_everything_below_one) {
  EXPECT_TRUE(host_matches("example.org", "example.org"));
  EXPECT_FALSE(host_matches("example.org", "www.example.org"));
  EXPECT_TRUE(host_matches("*.example.org", "www.example.org"));
  EXPECT_TRUE(host_matches("*.example.org", "a.b.c.example.org"));
  EXPECT_FALSE(host_matches("*.example.org", "example.org"));
  EXPECT_FALSE(host_matches("*.example.org", "badexample.org"));
  EXPECT_FALSE(host_matches("*.example.org", ""));
  EXPECT_FALSE(host_matches("*.example.org", "www.example.org.evil.example"));
  EXPECT_TRUE(host_matches("[::1]", "[::1]"));
}

}  // namespace
}  // namespace ringserve::http
