// The bytes of the requests, and how they are chosen.
#include "client/load/engine/requests.h"

#include <gtest/gtest.h>

#include <cmath>

namespace ringload {
namespace {

Target target_with(std::vector<std::string> paths) {
  return {*net::Address::parse("127.0.0.1:8080"), "example.org:8080", "http://example.org:8080",
          std::move(paths)};
}

TEST(Requests, are_what_was_asked_for) {
  Plan plan;
  plan.headers = {"Accept: text/html", "X-Test: 1"};
  const RequestSet set(plan, target_with({"/a?b=c"}));
  EXPECT_EQ(
      set.at(0).bytes,
      "GET /a?b=c HTTP/1.1\r\nHost: example.org:8080\r\nAccept: text/html\r\nX-Test: 1\r\n\r\n");
  EXPECT_TRUE(set.at(0).closing_bytes.empty());
}

TEST(Requests, let_the_user_override_host_and_connection) {
  Plan plan;
  plan.headers = {"host: other", "CONNECTION: close"};
  const RequestSet set(plan, target_with({"/"}));
  EXPECT_EQ(set.at(0).bytes, "GET / HTTP/1.1\r\nhost: other\r\nCONNECTION: close\r\n\r\n");
}

TEST(Requests, ask_the_server_to_close_only_in_the_last_one) {
  Plan plan;
  plan.close_by = CloseBy::server;
  plan.requests_per_connection = 3;
  const RequestSet set(plan, target_with({"/"}));
  EXPECT_EQ(set.at(0).bytes.find("Connection:"), std::string::npos);
  EXPECT_NE(set.at(0).closing_bytes.find("\r\nConnection: close\r\n"), std::string::npos);
}

TEST(Requests, of_http_1_0_ask_to_be_kept_alive) {
  Plan plan;
  plan.http_minor = 0;
  const RequestSet set(plan, target_with({"/"}));
  EXPECT_EQ(set.at(0).bytes,
            "GET / HTTP/1.0\r\nHost: example.org:8080\r\nConnection: keep-alive\r\n\r\n");
}

TEST(Requests, with_a_method_that_has_content_say_that_there_is_none) {
  Plan plan;
  plan.method = "POST";
  const RequestSet set(plan, target_with({"/"}));
  EXPECT_NE(set.at(0).bytes.find("Content-Length: 0\r\n"), std::string::npos);
}

std::vector<double> shares(const RequestSet& set, unsigned draws) {
  std::mt19937_64 random(7);
  std::vector<double> share(set.size());
  for (unsigned i = 0; i < draws; ++i) share[set.choose(random)] += 1.0 / draws;
  return share;
}

TEST(Popularity, uniform_asks_for_all_alike) {
  Plan plan;
  const RequestSet set(plan, target_with({"/0", "/1", "/2", "/3", "/4"}));
  for (const double share : shares(set, 200'000)) EXPECT_NEAR(share, 0.2, 0.01);
}

TEST(Popularity, zipf_asks_for_the_nth_by_one_over_n) {
  Plan plan;
  plan.zipf_exponent = 1;
  std::vector<std::string> paths;
  double sum = 0;
  for (int i = 1; i <= 100; ++i) {
    paths.push_back("/" + std::to_string(i));
    sum += 1.0 / i;
  }
  const RequestSet set(plan, target_with(paths));
  const std::vector<double> share = shares(set, 1'000'000);
  for (size_t i = 0; i < share.size(); ++i) {
    const double expected = 1.0 / static_cast<double>(i + 1) / sum;
    EXPECT_NEAR(share[i], expected, 0.05 * expected + 0.0005) << "path " << i;
  }
}

TEST(Popularity, the_same_seed_chooses_the_same) {
  Plan plan;
  plan.zipf_exponent = 0.8;
  const RequestSet set(plan, target_with({"/a", "/b", "/c"}));
  std::mt19937_64 one(42);
  std::mt19937_64 two(42);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(set.choose(one), set.choose(two));
}

}  // namespace
}  // namespace ringload
