// The two kinds of load. An open loop keeps its schedule and counts waiting as latency; a closed
// one waits with the server, and says that it does.
#include "tests/support/load_test.h"

namespace {

using namespace support;

class LoopTest : public LoadTest {
 protected:
  // Answers at once, but stands still for a second when this request arrives.
  static ScriptedServer::OnRequest stalling_at(std::uint64_t number) {
    return [number](const SeenRequest& request) -> Script {
      if (request.number == number) return {stall_all_ms(1000), send_bytes(ok_reply())};
      return {send_bytes(ok_reply())};
    };
  }
};

TEST_F(LoopTest, an_open_loop_shows_everyone_who_waited_for_a_stalled_server) {
  const ScriptedServer scripted(stalling_at(1000));
  const LoadRun run = load({"-c", "10", "-r", "1000", "-d", "3s", scripted.url()});
  // A thousand requests were due in the second of the stall; their waits fill it evenly.
  EXPECT_GE(run.latencies_between_ms(100, 1e9), 800U);
  for (int tenth = 1; tenth < 10; ++tenth) {
    const std::uint64_t waited = run.latencies_between_ms(100.0 * tenth, 100.0 * (tenth + 1));
    EXPECT_GE(waited, 60U) << tenth;
    EXPECT_LE(waited, 200U) << tenth;
  }
  EXPECT_GT(run.number("latency_us.max"), 900e3);
  EXPECT_NEAR(static_cast<double>(run.ended()), 3000, 30);
  EXPECT_EQ(run.json.at("latency_kind"), "from_planned_time");
}

TEST_F(LoopTest, a_closed_loop_shows_the_stall_once_a_connection_and_says_so) {
  const ScriptedServer scripted(stalling_at(1000));
  const LoadRun run = load({"-c", "10", "-n", "5000", scripted.url()});
  const std::uint64_t waited = run.latencies_between_ms(500, 1e9);
  EXPECT_GE(waited, 1U);
  EXPECT_LE(waited, 10U);
  EXPECT_EQ(run.ended(), 5000U);
  EXPECT_EQ(run.json.at("latency_kind"), "service_time");
  EXPECT_NE(run.out.find("Service time"), std::string::npos) << run.out;
}

TEST_F(LoopTest, the_rate_asked_for_is_kept) {
  const ScriptedServer scripted({send_bytes(ok_reply())});
  for (const char* threads : {"1", "2"}) {
    const LoadRun run = load({"-c", "10", "-t", threads, "-r", "500", "-d", "2s", scripted.url()});
    EXPECT_NEAR(static_cast<double>(run.ended()), 1000, 10);
    EXPECT_EQ(run.count("unsent"), 0U);
    EXPECT_EQ(run.count("errors_total"), 0U);
  }
}

TEST_F(LoopTest, what_a_slow_server_never_got_is_counted_as_unsent) {
  const ScriptedServer scripted({pause_ms(100), send_bytes(ok_reply())});
  const LoadRun run = load({"-c", "1", "-r", "100", "-d", "2s", scripted.url()});
  // Ten a second is all that one connection gets: the other requests are due and never sent.
  EXPECT_LE(run.ended(), 21U);
  EXPECT_GE(run.count("unsent"), 175U);
  const std::uint64_t sent = run.ended() + run.count("unanswered");
  EXPECT_NEAR(static_cast<double>(sent + run.count("unsent")), 200, 2);
  EXPECT_EQ(scripted.tally().requests, sent);
  EXPECT_NE(run.out.find("unsent"), std::string::npos) << run.out;
}

TEST_F(LoopTest, a_ramp_of_the_rate_is_followed) {
  const ScriptedServer scripted({send_bytes(ok_reply())});
  // 100 to 500 in 2 s: 600 requests; 500 for another second; back down: 250.
  const LoadRun run = load({"-c", "10", "-r", "500", "--ramp", "100:500:2s", "--ramp", "500:500:1s",
                            "--ramp", "500:0:1s", scripted.url()});
  EXPECT_NEAR(run.number("duration_s"), 4, 0.2);
  EXPECT_NEAR(static_cast<double>(run.ended()), 1350, 20);
  EXPECT_LT(run.sum_of_seconds("requests", 0, 1.1), run.sum_of_seconds("requests", 1.1, 2.1));
}

TEST_F(LoopTest, a_ramp_of_connections_is_followed) {
  const ScriptedServer scripted({pause_ms(5), send_bytes(ok_reply())});
  const LoadRun run = load({"-c", "20", "--ramp", "1:20:2s", "--ramp", "20:20:1s", scripted.url()});
  EXPECT_NEAR(run.number("duration_s"), 3, 0.2);
  EXPECT_EQ(scripted.tally().connections, 20U);
  EXPECT_LT(run.sum_of_seconds("requests", 0, 1.1), run.sum_of_seconds("requests", 2.1, 3.1));
  EXPECT_EQ(run.count("errors_total"), 0U);
}

// Those that leave have not asked the server to close, so nobody waits for it.
TEST_F(LoopTest, a_ramp_down_closes_what_the_server_would_not) {
  serve();
  const LoadRun run = load({"--ramp", "10:1:2s", "--timeout", "1s", "--close-by", "server",
                            "--requests-per-connection", "1000000", url()});
  EXPECT_EQ(run.errors("close"), 0U) << run.json.at("errors");
}

TEST_F(LoopTest, a_backlog_of_the_warm_up_is_not_counted) {
  const ScriptedServer scripted({pause_ms(100), send_bytes(ok_reply())});
  const LoadRun run = load({"-c", "1", "-r", "100", "--warmup", "1s", "-d", "1s", scripted.url()});
  EXPECT_LE(run.count("unsent"), 100U);
}

TEST_F(LoopTest, what_was_due_and_not_sent_counts_with_requests_too) {
  const ScriptedServer scripted({pause_ms(100), send_bytes(ok_reply())});
  const LoadRun run = load({"-c", "1", "-r", "100", "-n", "1000", "-d", "1s", scripted.url()});
  EXPECT_GT(run.count("unsent"), 50U);
  EXPECT_LE(run.count("unsent"), 100U);
}

// Slots that are between two connections are not lost.
TEST_F(LoopTest, nothing_is_lost_where_connections_come_and_go) {
  const ScriptedServer scripted({send_bytes(ok_reply())});
  const LoadRun run = load({"-c", "8", "-d", "2s", "--requests-per-connection", "5", "--close-by",
                            "reset", "--stop-on", "lost>0", scripted.url()});
  EXPECT_EQ(run.number("connections.lost"), 0);
}

TEST_F(LoopTest, pipelined_answers_keep_their_order) {
  tree().fill("a", 100);
  tree().fill("b", 20'000);
  tree().fill("c", 0);
  serve();
  const std::string paths = tree().outside("paths.txt", "/a\n/b\n/c\n");
  const LoadRun run = load({"-c", "2", "--pipeline", "8", "-n", "3000", "--paths", paths, "--body",
                            "verify:" + tree().root(), url()});
  expect_all_good(run, 3000);
}

}  // namespace
