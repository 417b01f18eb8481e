// `--close`: who ends a connection after its last reply, and so who keeps it in TIME_WAIT for a
// minute. In a network of the test's own, with ports for as many connections as a long run wants
// (RINGSERVE_CLOSES, tests/long/README.md).
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <utility>

#include "common/net/private_network.h"
#include "common/net/sysctl.h"
#include "tests/support/load_test.h"
#include "tests/support/metrics_text.h"

namespace {

using namespace support;

constexpr std::size_t kPageBytes = 1000;

struct Held {
  std::size_t by_server = 0;
  std::size_t by_client = 0;
  bool operator==(const Held&) const = default;
};

class CloseTest : public LoadTest {
 protected:
  void SetUp() override {
    if (const auto entered = net::enter_private_network(); !entered) {
      GTEST_SKIP() << entered.error().message();
    }
    write_sysctl("net.ipv4.ip_local_port_range", "10000 60999");
    write_sysctl("net.ipv4.tcp_max_tw_buckets", "400000");
    write_sysctl("net.ipv4.tcp_tw_reuse", "0");
    tree().fill("page", kPageBytes);
  }
  void TearDown() override {
    if (!IsSkipped()) LoadTest::TearDown();
  }

  static void write_sysctl(const char* name, const char* value) {
    const auto written = net::write_sysctl(name, value);
    ASSERT_TRUE(written) << written.error().message();
  }
  static std::size_t connections() {
    const char* text = std::getenv("RINGSERVE_CLOSES");
    return text == nullptr ? scaled(3000, 500) : std::stoul(text);
  }

  // Fixed ports: others would be missing in the range.
  void serve_with(const std::string& policy) {
    ServerSpec spec;
    spec.listen = {"127.0.0.1:8080"};
    spec.options = {"--close", policy, "--admin", "127.0.0.1:8081"};
    serve_as(spec);
  }
  // Clients that say Connection: close, and close when they have their reply.
  LoadRun load_with_polite_clients(std::size_t count) {
    return load({"--requests", std::to_string(count), "--connections", "16", "--new-connection",
                 "--header", "Connection: close", "--source", "127.0.1.0/24", url("/page")},
                Deadline(static_cast<int>(patience_s() + count / 1000)));
  }

  static std::size_t time_wait(const std::string& filter) {
    const auto ss = find_program("ss");
    if (!ss) throw std::runtime_error("ss of iproute2 is not in PATH");
    const Finished run = run_to_exit({*ss, "-Htan", "state", "time-wait", filter});
    EXPECT_EQ(run.status, (ExitStatus{0, 0})) << run.err;
    return static_cast<std::size_t>(std::count(run.out.begin(), run.out.end(), '\n'));
  }
  static Held held() { return {time_wait("sport = :8080"), time_wait("dport = :8080")}; }
  // Waits until the last ones are where they end up, and prints the line of the table.
  Held wait_until_held(const std::string& policy, std::size_t count, std::size_t expected) {
    const Deadline deadline;
    Held before, now = held();
    // FIN_WAIT2 is not TIME_WAIT yet: until enough are there, and no more come.
    while (!deadline.passed()) {
      before = std::exchange(now, held());
      if (now.by_server + now.by_client >= expected && now == before) break;
    }
    std::cout << "--close " << policy << ": " << count
              << " connections, TIME_WAIT: " << now.by_server << " of the server, " << now.by_client
              << " of the clients\n";
    return now;
  }
  // /metrics comes to tell the same.
  void expect_metric() {
    const Deadline deadline;
    double told = -1;
    while (!deadline.passed()) {
      const Response response = HttpClient(server().admin()).get("/metrics");
      told = MetricsText(response.body).value("ringserve_time_wait_sockets");
      if (told == static_cast<double>(time_wait("sport = :8080"))) return;
    }
    FAIL() << "ringserve_time_wait_sockets: " << told;
  }
};

TEST_F(CloseTest, by_the_server_leaves_time_wait_to_the_server) {
  const std::size_t count = connections();
  serve_with("server");
  expect_all_good(load_with_polite_clients(count), count);
  // Not all: a client may close as fast, or take the port of one of the last minute, whose
  // TIME_WAIT the server then forgets.
  const std::size_t expected = count / 2;
  EXPECT_GE(wait_until_held("server", count, expected).by_server, expected);
  expect_metric();
}

TEST_F(CloseTest, by_the_client_leaves_none_to_the_server) {
  const std::size_t count = connections();
  serve_with("client");
  expect_all_good(load_with_polite_clients(count), count);
  const std::size_t expected = count - count / 4;
  const Held now = wait_until_held("client", count, expected);
  EXPECT_GE(now.by_client, expected);
  EXPECT_EQ(now.by_server, 0U);
  expect_metric();
}

TEST_F(CloseTest, by_reset_leaves_none_to_anybody) {
  const std::size_t count = connections();
  serve_with("reset");
  expect_all_good(load_with_polite_clients(count), count);
  const Held now = wait_until_held("reset", count, 0);
  EXPECT_LE(now.by_server + now.by_client, count / 20) << "whose clients closed first";
  EXPECT_EQ(now.by_server, 0U);
}

TEST_F(CloseTest, a_client_that_waits_for_the_server_is_not_left_waiting) {
  serve_with("client");
  HttpClient client = connect();
  EXPECT_EQ(client.get("/page", {{"Connection", "close"}}).status, 200);
  EXPECT_EQ(client.read_to_end().ending, Ending::kEndOfFile);
}

TEST_F(CloseTest, a_client_of_http_1_0_may_read_until_the_end) {
  serve_with("reset");
  HttpClient client = connect();
  client.send("GET /page HTTP/1.0\r\n\r\n");
  EXPECT_EQ(client.read_response().body.size(), kPageBytes);
  EXPECT_EQ(client.read_to_end().ending, Ending::kEndOfFile) << "not by a reset";
}

TEST_F(CloseTest, a_reset_comes_behind_the_whole_reply) {
  constexpr std::size_t kFileBytes = 4'000'000;
  tree().fill("large", kFileBytes);
  serve_with("reset");
  HttpClient slow = connect({.receive_buffer_bytes = 65536});
  const Response response = slow.get("/large", {{"Connection", "close"}});
  EXPECT_TRUE(same_bytes(response.body, TempTree::expected("large", 0, kFileBytes)));
}

TEST_F(CloseTest, an_error_is_still_told_to_who_goes_on_sending) {
  for (const char* policy : {"client", "reset"}) {
    serve_with(policy);
    HttpClient client = connect();
    client.send("GET /page HTTP/1.1\r\nHost: a\r\nBad Field: x\r\n\r\n");
    client.send_if_possible(std::string(200'000, 'x'));
    EXPECT_EQ(client.read_response().status, 400) << policy;
    client.cut();
    stop();
  }
}

}  // namespace
