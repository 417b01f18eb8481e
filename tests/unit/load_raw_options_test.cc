// The words of single options, and URLs: what is understood, and what is refused.
#include "client/load/raw_options.h"

#include <gtest/gtest.h>

#include "client/load/url.h"

namespace ringload {
namespace {

TEST(Time, has_the_usual_units) {
  EXPECT_DOUBLE_EQ(*parse_time_s("10"), 10);
  EXPECT_DOUBLE_EQ(*parse_time_s("250ms"), 0.25);
  EXPECT_DOUBLE_EQ(*parse_time_s("1.5s"), 1.5);
  EXPECT_DOUBLE_EQ(*parse_time_s("2m"), 120);
  EXPECT_DOUBLE_EQ(*parse_time_s("1h"), 3600);
}

TEST(Time, refuses_the_rest) {
  for (const char* text : {"", "s", "-1s", "5 x", "5x", "nan", "inf", "1e99", "ten"}) {
    EXPECT_FALSE(parse_time_s(text)) << text;
  }
}

std::vector<std::string> hosts(const std::string& text) {
  std::vector<std::string> all;
  const auto sources = parse_source(text);
  for (const net::Address& address : *sources) all.push_back(address.host_text());
  return all;
}

TEST(Source, is_an_address_or_all_of_a_prefix) {
  using List = std::vector<std::string>;
  EXPECT_EQ(hosts("10.0.0.7"), (List{"10.0.0.7"}));
  EXPECT_EQ(hosts("127.0.0.5/30"), (List{"127.0.0.5", "127.0.0.6"}));
  EXPECT_EQ(hosts("10.1.2.3/31"), (List{"10.1.2.2", "10.1.2.3"}));
  EXPECT_EQ(hosts("10.1.2.3/32"), (List{"10.1.2.3"}));
  EXPECT_EQ(hosts("fd00::/126"), (List{"fd00::", "fd00::1", "fd00::2", "fd00::3"}));
  EXPECT_EQ(hosts("127.0.0.0/16").size(), 65534U);
}

TEST(Source, refuses_the_rest) {
  for (const char* text : {"", "host", "10.0.0.0/", "10.0.0.0/x", "10.0.0.0/33", "10.0.0.0/8",
                           "fd00::/64", "10.0.0.1:80"}) {
    EXPECT_FALSE(parse_source(text)) << text;
  }
}

TEST(Ramp, has_two_values_and_a_time) {
  const auto stage = parse_ramp("10:200.5:30s");
  ASSERT_TRUE(stage);
  EXPECT_DOUBLE_EQ(stage->from, 10);
  EXPECT_DOUBLE_EQ(stage->to, 200.5);
  EXPECT_DOUBLE_EQ(stage->duration_s, 30);
  for (const char* text :
       {"", "1:2", "1:2:", "1:2:0s", "0:0:5s", "-1:2:5s", "a:b:5s", "nan:1:5s"}) {
    EXPECT_FALSE(parse_ramp(text)) << text;
  }
}

TEST(UrlText, says_host_port_and_path) {
  const auto url = Url::parse("http://example.org:8080/a/b?c=d#e");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->host, "example.org");
  EXPECT_EQ(url->port, 8080);
  EXPECT_EQ(url->path, "/a/b?c=d");
  EXPECT_EQ(url->host_header, "example.org:8080");
}

TEST(UrlText, has_defaults) {
  EXPECT_EQ(Url::parse("http://h")->path, "/");
  EXPECT_EQ(Url::parse("http://h")->port, 80);
  EXPECT_EQ(Url::parse("http://h?q")->path, "/?q");
  EXPECT_EQ(Url::parse("unix:/run/s.sock")->path, "/");
}

TEST(UrlText, takes_ipv6_and_unix_sockets) {
  const auto ipv6 = Url::parse("http://[::1]:81/x");
  ASSERT_TRUE(ipv6);
  EXPECT_EQ(ipv6->host, "::1");
  EXPECT_EQ(ipv6->port, 81);
  EXPECT_EQ(ipv6->host_header, "[::1]:81");
  const auto local = Url::parse("unix:/run/s.sock:/x?y");
  ASSERT_TRUE(local);
  EXPECT_EQ(local->socket_path, "/run/s.sock");
  EXPECT_EQ(local->path, "/x?y");
}

TEST(UrlText, refuses_what_cannot_be_loaded) {
  for (const char* text :
       {"", "h", "ftp://h/", "https://h/", "http://", "http://:80/", "http://h:0/", "http://h:x/",
        "http://h:99999/", "http://[::1/", "http://[::1]x/", "http://a:b:80/", "http://u@h/",
        "http://h/a b", "http://h/\n", "http://h/\xC3\xA4", "unix:relative", "unix:/s:nopath"}) {
    EXPECT_FALSE(Url::parse(text)) << text;
  }
}

TEST(UrlText, says_what_to_write_instead) {
  EXPECT_NE(Url::parse("https://h/").error().message().find("not supported yet"),
            std::string::npos);
  EXPECT_NE(Url::parse("http://h/a b").error().message().find("%20"), std::string::npos);
}

}  // namespace
}  // namespace ringload
