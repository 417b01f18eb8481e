// What ringload sends: paths by popularity, methods, fields, versions, and from which addresses.
#include <cmath>

#include "tests/support/load_test.h"

namespace {

using namespace support;

class RequestsTest : public LoadTest {
 protected:
  // The file's name; one path a line.
  std::string paths_file(unsigned count) {
    std::string lines;
    for (unsigned i = 0; i < count; ++i) lines += "/path/" + std::to_string(i) + "\n";
    return tree().outside("paths.txt", lines);
  }

  std::vector<std::string> targets_asked(std::vector<std::string> options) {
    const ScriptedServer scripted({send_bytes(ok_reply())});
    options.insert(options.end(), {"-c", "1", "-n", "300", scripted.url()});
    expect_all_good(load(options), 300);
    std::vector<std::string> targets;
    for (const SeenRequest& request : scripted.tally().first_requests) {
      targets.push_back(request.target);
    }
    return targets;
  }

  // The head of a request, as the server got it.
  std::string head_sent(std::vector<std::string> options) {
    const ScriptedServer scripted({send_bytes(ok_reply(""))});
    options.insert(options.end(), {"-c", "1", "-n", "1", scripted.url("/a?b=c%20d")});
    expect_all_good(load(options), 1);
    return scripted.tally().first_requests.at(0).head;
  }

  static void expect_within_5_sigma(std::uint64_t count, double expected) {
    EXPECT_NEAR(static_cast<double>(count), expected, 5 * std::sqrt(expected));
  }

  ScriptedServer scripted_{{send_bytes(ok_reply())}};
};

constexpr unsigned kPaths = 10;
constexpr unsigned kDraws = 10000;

TEST_F(RequestsTest, paths_of_a_file_are_chosen_uniformly) {
  const LoadRun run = load(
      {"-c", "4", "-n", std::to_string(kDraws), "--paths", paths_file(kPaths), scripted_.url()});
  expect_all_good(run, kDraws);
  const Tally tally = scripted_.tally();
  ASSERT_EQ(tally.targets.size(), kPaths);
  for (const auto& [path, count] : tally.targets) {
    SCOPED_TRACE(path);
    expect_within_5_sigma(count, kDraws / kPaths);
  }
}

TEST_F(RequestsTest, paths_of_a_file_are_chosen_by_zipfs_law) {
  const LoadRun run = load({"-c", "4", "-n", std::to_string(kDraws), "--paths", paths_file(kPaths),
                            "--popularity", "zipf:1", scripted_.url()});
  expect_all_good(run, kDraws);
  double harmonic = 0;
  for (unsigned i = 1; i <= kPaths; ++i) harmonic += 1.0 / i;
  const Tally tally = scripted_.tally();
  ASSERT_EQ(tally.targets.size(), kPaths);
  for (unsigned i = 0; i < kPaths; ++i) {
    SCOPED_TRACE(i);
    expect_within_5_sigma(tally.targets.at("/path/" + std::to_string(i)),
                          kDraws / harmonic / (i + 1));
  }
}

TEST_F(RequestsTest, a_seed_repeats_the_choice) {
  const std::string file = paths_file(50);
  const auto choose = [&](const std::string& seed) {
    return targets_asked({"--paths", file, "--popularity", "zipf:0.8", "--seed", seed});
  };
  const auto once = choose("7");
  EXPECT_EQ(choose("7"), once);
  EXPECT_NE(choose("8"), once);
}

TEST_F(RequestsTest, the_head_is_small_and_right) {
  const std::string head = head_sent({});
  EXPECT_EQ(head.find("GET /a?b=c%20d HTTP/1.1\r\n"), 0U) << head;
  EXPECT_NE(head.find("\r\nHost: 127.0.0.1:"), std::string::npos) << head;
}

TEST_F(RequestsTest, fields_are_added_and_host_is_replaced) {
  const std::string head = head_sent({"-H", "X-Word: one two", "-H", "Host: example.org"});
  EXPECT_NE(head.find("\r\nX-Word: one two\r\n"), std::string::npos) << head;
  EXPECT_NE(head.find("\r\nHost: example.org\r\n"), std::string::npos) << head;
  EXPECT_EQ(head.find("127.0.0.1"), std::string::npos) << head;
}

TEST_F(RequestsTest, other_methods_are_sent_as_given) {
  EXPECT_EQ(head_sent({"--method", "DELETE"}).find("DELETE /a?b=c%20d HTTP/1.1\r\n"), 0U);
}

TEST_F(RequestsTest, answers_to_head_have_no_body) {
  tree().fill("page", 5000);
  serve();
  const LoadRun run = load({"--method", "HEAD", "-n", "100", url("/page")});
  expect_all_good(run, 100);
  EXPECT_LT(run.count("bytes"), 100U * 5000);
}

TEST_F(RequestsTest, http_1_0_is_spoken) {
  EXPECT_EQ(head_sent({"--http-version", "1.0"}).find("GET /a?b=c%20d HTTP/1.0\r\n"), 0U);
  tree().fill("page", 5000);
  serve();
  expect_all_good(load({"--http-version", "1.0", "-n", "100", url("/page")}), 100);
}

TEST_F(RequestsTest, connections_come_from_every_source_address) {
  const LoadRun run = load(
      {"-c", "4", "-n", "100", "--source", "127.0.0.2", "--source", "127.0.0.3", scripted_.url()});
  expect_all_good(run, 100);
  EXPECT_EQ(scripted_.tally().peers, (std::set<std::string>{"127.0.0.2", "127.0.0.3"}));
}

TEST_F(RequestsTest, sources_may_be_given_as_a_network) {
  const LoadRun run = load({"-c", "8", "-n", "100", "--source", "127.0.0.8/30", scripted_.url()});
  expect_all_good(run, 100);
  const auto peers = scripted_.tally().peers;
  EXPECT_GE(peers.size(), 2U);
  for (const std::string& peer : peers) {
    EXPECT_TRUE(peer == "127.0.0.8" || peer == "127.0.0.9" || peer == "127.0.0.10" ||
                peer == "127.0.0.11")
        << peer;
  }
}

TEST_F(RequestsTest, unix_sockets_are_loaded) {
  tree().fill("page", 1000);
  ServerSpec spec;
  spec.listen = {"unix:" + tree().beside("sock")};
  serve_as(spec);
  const LoadRun run = load({"-c", "4", "-n", "500", "--new-connection", url("/page")});
  expect_all_good(run, 500);
  EXPECT_GT(run.count("bytes"), 500U * 1000);
}

TEST_F(RequestsTest, ipv6_is_loaded) {
  if (!can_bind(Endpoint::parse("[::1]:0"))) GTEST_SKIP() << "no IPv6 here";
  tree().fill("page", 1000);
  ServerSpec spec;
  spec.listen = {"[::1]:0"};
  serve_as(spec);
  expect_all_good(load({"-c", "4", "-n", "500", url("/page")}), 500);
}

}  // namespace
