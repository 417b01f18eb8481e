// ringload's counts against what the server saw: every way to spread requests over connections,
// and every way to end a run.
#include <sstream>

#include "tests/support/load_test.h"

namespace {

using namespace support;

constexpr std::string_view kBody =
    "hello, I am sixty-three bytes long, and that is not very much...";

class CountsTest : public LoadTest {
 protected:
  // Waits until the server has seen the end of all connections, then what it saw.
  Tally final_tally(const ScriptedServer& server) {
    EXPECT_TRUE(server.wait_until([](const Tally& tally) {
      return tally.ended_by_client + tally.reset_by_client == tally.connections;
    })) << "a connection was left open";
    return server.tally();
  }

  ScriptedServer scripted_{{send_bytes(ok_reply(kBody))}};
};

struct Shape {
  const char* name;
  std::string options;
  bool pipelined = false;
  unsigned per_connection = 0;  // 0: no limit
};

std::vector<std::string> split(const std::string& text) {
  std::istringstream words(text);
  std::vector<std::string> list;
  for (std::string word; words >> word;) list.push_back(word);
  return list;
}

class RequestCount : public CountsTest, public ::testing::WithParamInterface<Shape> {};

TEST_P(RequestCount, is_exact_and_the_server_agrees) {
  constexpr std::uint64_t kRequests = 1003;  // divisible by nothing
  std::vector<std::string> arguments = split(GetParam().options);
  arguments.insert(arguments.end(), {"-n", std::to_string(kRequests), scripted_.url("/page")});
  const LoadRun run = load(arguments);
  expect_all_good(run, kRequests);
  EXPECT_EQ(run.count("bytes"), kRequests * ok_reply(kBody).size());

  const Tally tally = final_tally(scripted_);
  EXPECT_EQ(tally.requests, kRequests);
  EXPECT_EQ(tally.targets.at("/page"), kRequests);
  EXPECT_EQ(tally.connections, run.count("connections.opened"));
  if (!GetParam().pipelined) {
    EXPECT_EQ(run.count("connections.reused"), kRequests - tally.connections);
  }
  if (const unsigned most = GetParam().per_connection; most > 0) {
    EXPECT_GE(tally.connections, (kRequests + most - 1) / most);
    for (const SeenRequest& request : tally.first_requests) {
      EXPECT_LE(request.on_connection, most);
    }
  } else {
    EXPECT_LE(tally.connections, run.count("connections.asked"));
  }
}

INSTANTIATE_TEST_SUITE_P(
    shapes, RequestCount,
    ::testing::Values(
        Shape{"defaults", ""}, Shape{"one_connection", "-c 1"},
        Shape{"odd_connections_on_two_threads", "-c 7 -t 2"},
        Shape{"more_connections_than_needed", "-c 64 -t 2"},
        Shape{"pipelined", "-c 3 --pipeline 16", true},
        Shape{"pipelined_on_two_threads", "-c 4 -t 2 --pipeline 5", true},
        Shape{"new_connections", "-c 5 --new-connection", false, 1},
        Shape{"new_connections_on_two_threads", "-c 6 -t 2 --new-connection", false, 1},
        Shape{"three_a_connection", "-c 4 --requests-per-connection 3", false, 3},
        Shape{"one_a_connection", "-c 4 --requests-per-connection 1", false, 1},
        Shape{"pipelined_ten_a_connection", "-c 3 --pipeline 4 --requests-per-connection 10", true,
              10},
        Shape{"open_loop", "-r 2000"},
        Shape{"open_loop_on_new_connections", "-r 1000 -t 2 --new-connection", false, 1}),
    [](const auto& each) { return std::string(each.param.name); });

TEST_F(CountsTest, fewer_requests_than_connections_are_fine) {
  const LoadRun run = load({"-c", "20", "-n", "3", scripted_.url()});
  expect_all_good(run, 3);
  EXPECT_EQ(final_tally(scripted_).requests, 3U);
}

TEST_F(CountsTest, a_duration_ends_the_run_and_nothing_is_lost_on_the_way) {
  const LoadRun run = load({"-c", "3", "-d", "1s", scripted_.url()});
  EXPECT_GT(run.count("requests"), 0U);
  expect_all_good(run, run.ended());
  EXPECT_EQ(final_tally(scripted_).requests, run.ended());
  EXPECT_NEAR(run.number("duration_s"), 1.0, 0.1);
  EXPECT_GE(run.json.at("seconds").size(), 1U);
}

TEST_F(CountsTest, the_warmup_is_loaded_and_not_counted) {
  const LoadRun run = load({"-c", "2", "-r", "200", "--warmup", "1s", "-d", "1s", scripted_.url()});
  expect_consistent(run);
  EXPECT_NEAR(static_cast<double>(run.ended()), 200, 4);
  EXPECT_NEAR(static_cast<double>(final_tally(scripted_).requests), 400, 8);
  EXPECT_NEAR(run.number("duration_s"), 1.0, 0.1);
}

TEST_F(CountsTest, requests_and_duration_together_end_at_what_comes_first) {
  const LoadRun few = load({"-n", "50", "-d", "20s", scripted_.url()});
  expect_all_good(few, 50);
  const LoadRun brief = load({"-n", "100000000", "-d", "1s", scripted_.url()});
  EXPECT_LT(brief.ended(), 100000000U);
  EXPECT_NE(few.json.at("end_reason"), brief.json.at("end_reason"));
}

TEST_F(CountsTest, several_urls_share_the_load) {
  const ScriptedServer other({send_bytes(ok_reply("other"))});
  const LoadRun run = load(
      {"-c", "4", "-n", "400", scripted_.url("/one"), scripted_.url("/two"), other.url("/three")});
  expect_all_good(run, 400);
  const Tally here = final_tally(scripted_);
  const Tally there = final_tally(other);
  EXPECT_EQ(here.requests + there.requests, 400U);
  EXPECT_GT(here.targets.at("/one"), 0U);
  EXPECT_GT(here.targets.at("/two"), 0U);
  EXPECT_GT(there.targets.at("/three"), 0U);
  EXPECT_EQ(here.targets.size() + there.targets.size(), 3U);
}

// Nobody is told to wait for a server that closes after each answer, as it announced.
TEST_F(CountsTest, a_server_that_closes_after_each_answer_costs_connections_not_errors) {
  const ScriptedServer closing(
      {send_bytes(ok_reply(kBody, "Connection: close\r\n")), close_connection()});
  const LoadRun run = load({"-c", "4", "-n", "200", closing.url()});
  expect_all_good(run, 200);
  EXPECT_EQ(run.count("connections.opened"), 200U);
  EXPECT_EQ(run.count("connections.reused"), 0U);
  EXPECT_EQ(closing.tally().connections, 200U);
}

}  // namespace
