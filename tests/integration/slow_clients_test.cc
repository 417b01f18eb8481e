// Clients that hold connections with as little as they can: readers that take a response drop by
// drop, writers that never end their request, and more of both than there is room for.
#include <poll.h>

#include <algorithm>

#include "tests/support/metrics_text.h"
#include "tests/support/server_test.h"

namespace {

using namespace support;

constexpr std::size_t kLarge = 32 * kMiB;

class SlowClients : public ServerTest {
 protected:
  void SetUp() override {
    tree().fill("small", 1000);
    tree().fill("large", kLarge);
  }

  void serve_with_admin(std::vector<std::string> options) {
    options.insert(options.end(), {"--admin", "127.0.0.1:0"});
    serve(std::move(options));
  }
  HttpClient ask_for_large(int receive_buffer_bytes) {
    HttpClient client = connect({.receive_buffer_bytes = receive_buffer_bytes});
    client.send(request("GET", "/large"));
    return client;
  }
  // So much, then a pause, until it has all of `size` or the server ends the connection; returns
  // how much came.
  std::size_t sip(HttpClient& client, std::size_t size, std::size_t sip_bytes, int pause_ms) {
    std::size_t got = 0;
    const Deadline deadline;
    try {
      while (got < size) {
        got += client.read_exactly(std::min(sip_bytes, size - got)).size();
        pause(pause_ms);
        if (deadline.passed()) break;
      }
    } catch (const ClientError&) {  // its end is what the caller wants to see
    }
    return got;
  }
  // What the administrator is told may be 100 ms old.
  void wait_for_header_timeouts(double count) {
    const Deadline deadline;
    while (timed_out("header") < count) ASSERT_FALSE(deadline.passed()) << timed_out("header");
    EXPECT_EQ(timed_out("header"), count);
  }
  // With somebody who is served all the time.
  template <typename Condition>
  void wait_while(Condition&& condition, HttpClient& hot) {
    const Deadline deadline(2 * patience_s());
    while (condition()) {
      ASSERT_FALSE(deadline.passed());
      expect_file(hot, "small", 1000);
      pause(5);
    }
  }
  static void pause(int ms) { ::poll(nullptr, 0, ms); }

  MetricsText metrics() { return MetricsText(HttpClient(server().admin()).get("/metrics").body); }
  double limited() { return metrics().value("ringserve_limited_total", {{"kind", "send_rate"}}); }
  double timed_out(const std::string& kind) {
    return metrics().value("ringserve_timeouts_total", {{"kind", kind}});
  }
};

// --- a minimum rate ---

class SlowReaders : public SlowClients, public ::testing::WithParamInterface<const char*> {};

TEST_P(SlowReaders, below_the_minimum_rate_are_reset) {
  serve_with_admin({"--send-path", GetParam(), "--send-timeout-s", "2", "--min-send-rate", "4MiB"});
  HttpClient client = ask_for_large(65536);
  // 400 kB a second: never silent, but a tenth of what is asked for.
  EXPECT_LT(sip(client, kLarge, 8192, 20), kLarge);
  const Deadline deadline;
  while (limited() != 1) ASSERT_FALSE(deadline.passed()) << "not reset for its rate";
  EXPECT_EQ(timed_out("send"), 0);
  expect_file("small", 1000);
}

TEST_P(SlowReaders, above_the_minimum_rate_get_all_of_it) {
  constexpr std::size_t kSize = 4 * kMiB;
  tree().fill("medium", kSize);
  serve_with_admin({"--send-path", GetParam(), "--send-timeout-s", "1", "--min-send-rate", "4KiB"});
  HttpClient client = connect({.receive_buffer_bytes = 65536});
  client.send(request("GET", "/medium"));
  ASSERT_EQ(client.read_head().status, 200);
  EXPECT_EQ(sip(client, kSize, 16384, 10), kSize);
  EXPECT_EQ(limited(), 0);
}

INSTANTIATE_TEST_SUITE_P(clients, SlowReaders, ::testing::ValuesIn(kSendPaths), path_name);

TEST_F(SlowClients, a_reader_of_many_parts_cannot_begin_anew_with_each) {
  serve_with_admin({"--send-timeout-s", "2", "--min-send-rate", "4MiB"});
  std::string ranges = "bytes=";
  for (int i = 0; i < 31; ++i) {
    const std::size_t first = static_cast<std::size_t>(i) * kMiB;
    ranges += (i == 0 ? "" : ",") + std::to_string(first) + "-" + std::to_string(first + kMiB / 2);
  }
  HttpClient client = connect({.receive_buffer_bytes = 65536});
  client.send(request("GET", "/large", {{"Range", ranges}}));
  const Response head = client.read_head();
  ASSERT_EQ(head.status, 206);
  EXPECT_LT(sip(client, head.content_length(), 8192, 20), head.content_length());
  const Deadline deadline;
  while (limited() != 1) ASSERT_FALSE(deadline.passed()) << "not reset for its rate";
}

TEST_F(SlowClients, without_a_minimum_a_reader_may_be_as_slow_as_it_likes) {
  serve_with_admin({"--send-timeout-s", "2", "--min-send-rate", "0", "--idle-timeout-s", "5"});
  HttpClient idle = connect();
  expect_file(idle, "small", 1000);
  HttpClient client = ask_for_large(65536);
  ASSERT_EQ(client.read_head().status, 200);
  std::size_t got = 0;
  // Until another connection has been idle for longer than several windows.
  while (!idle.readable() && got < kLarge) {
    got += client.read_exactly(8192).size();
    pause(20);
  }
  EXPECT_EQ(client.read_exactly(kLarge - got).size(), kLarge - got);
  EXPECT_EQ(limited(), 0);
}

// A proxy on the same machine is as slow as its own clients.
TEST_F(SlowClients, a_unix_socket_has_no_minimum_rate) {
  ServerSpec spec;
  spec.options = {"--send-timeout-s", "2", "--min-send-rate", "1GiB", "--idle-timeout-s", "4"};
  spec.listen = {"unix:" + tree().beside("socket")};
  serve_as(spec);
  HttpClient idle = connect();
  expect_file(idle, "small", 1000);
  HttpClient client = connect();
  client.send(request("GET", "/large"));
  ASSERT_EQ(client.read_head().status, 200);
  std::size_t got = 0;
  while (!idle.readable() && got < kLarge) {
    got += client.read_exactly(8192).size();
    pause(20);
  }
  EXPECT_EQ(client.read_exactly(kLarge - got).size(), kLarge - got);
}

// --- requests that never end ---

TEST_F(SlowClients, a_byte_now_and_then_does_not_make_a_request) {
  serve_with_admin({"--header-timeout-s", "1", "--idle-timeout-s", "1"});
  std::vector<HttpClient> clients;
  for (int i = 0; i < 50; ++i) clients.push_back(connect());
  for (HttpClient& client : clients) client.send("GET /small HTTP/1.1\r\nX: ");
  const Deadline deadline;
  while (!clients.empty()) {
    ASSERT_FALSE(deadline.passed()) << clients.size() << " are still there";
    std::erase_if(clients,
                  [](HttpClient& one) { return one.readable() || !one.send_if_possible("x"); });
    pause(50);
  }
  wait_for_header_timeouts(50);
  expect_file("small", 1000);
}

// RFC 9112 section 2.2 lets empty lines precede a request; they are none.
TEST_F(SlowClients, empty_lines_do_not_keep_a_connection) {
  serve_with_admin({"--header-timeout-s", "1", "--idle-timeout-s", "2"});
  HttpClient client = connect();
  expect_file(client, "small", 1000);
  const Deadline deadline;
  while (!client.readable() && client.send_if_possible("\r\n")) {
    ASSERT_FALSE(deadline.passed()) << "kept alive by empty lines";
    pause(50);
  }
}

TEST_F(SlowClients, a_body_now_and_then_does_not_make_a_request) {
  serve_with_admin({"--header-timeout-s", "1"});
  HttpClient client = connect();
  client.send(request("GET", "/small", {{"Content-Length", "100000"}}));
  const Deadline deadline;
  while (!client.readable() && client.send_if_possible("x")) {
    ASSERT_FALSE(deadline.passed()) << "kept alive by its body";
    pause(50);
  }
  wait_for_header_timeouts(1);
}

// --- as many as there may be ---

TEST_F(SlowClients, beyond_max_connections_clients_wait_and_are_served_in_turn) {
  serve_with_admin({"--max-connections", "2", "--threads", "1"});
  HttpClient first = connect(), second = connect();
  expect_file(first, "small", 1000);
  expect_file(second, "small", 1000);
  HttpClient third = connect();  // by the kernel: it is in the accept queue
  third.send(request("GET", "/small"));
  constexpr int kLooks = 20;
  for (int i = 0; i < kLooks; ++i) {
    expect_file(first, "small", 1000);
    expect_file(second, "small", 1000);
    ASSERT_FALSE(third.wait_readable_ms(10)) << "served beyond the limit";
  }
  EXPECT_EQ(metrics().value("ringserve_connections"), 2);
  EXPECT_EQ(metrics().value("ringserve_connections_max"), 2);
  first.cut();
  EXPECT_EQ(third.read_response().status, 200);
}

TEST_F(SlowClients, a_slot_held_by_an_idle_client_comes_free_in_time) {
  serve({"--max-connections", "1", "--threads", "1", "--idle-timeout-s", "1"});
  HttpClient idle = connect();
  expect_file(idle, "small", 1000);
  HttpClient waiting = connect();
  waiting.send(request("GET", "/small"));
  EXPECT_EQ(waiting.read_response().status, 200);
}

// A thousand that read nothing and a thousand that never end their request, again and again.
TEST_F(SlowClients, a_crowd_is_ended_and_its_memory_is_given_back) {
  const std::size_t each = scaled(1000, 200);
  if (raise_own_descriptor_limit() < 2 * each + 200) GTEST_SKIP() << "RLIMIT_NOFILE";
  serve_with_admin({"--threads", "1", "--header-timeout-s", "3", "--send-timeout-s", "3"});
  HttpClient hot = connect();
  expect_file(hot, "small", 1000);
  const std::size_t before = resident_bytes(server().pid());
  const std::size_t descriptors = open_descriptors(server().pid());
  constexpr int kRounds = 3;
  for (int round = 1; round <= kRounds; ++round) {
    std::vector<HttpClient> crowd;
    for (std::size_t i = 0; i < each; ++i) {
      crowd.push_back(ask_for_large(4096));
      crowd.push_back(connect());
      crowd.back().send("GET /small HTTP/1.1\r\nX-Slow: " + std::string(300, 'x'));
    }
    const double all = round * static_cast<double>(crowd.size()) + 1;
    wait_while([&] { return metrics().value("ringserve_accepted_connections_total") < all; }, hot);
    const std::size_t peak = resident_bytes(server().pid());
    RecordProperty("peak_bytes_" + std::to_string(round), std::to_string(peak));
    // The clients keep their ends open: it is the server that lets go.
    wait_while([&] { return metrics().value("ringserve_connections") > 1; }, hot);
  }
  EXPECT_LE(open_descriptors(server().pid()), descriptors + 80) << "of files, and of pipes kept";
  if (is_sanitized()) return;  // a sanitizer's memory is its own
  wait_while([&] { return resident_bytes(server().pid()) > before + 8 * kMiB; }, hot);
  RecordProperty("before_bytes", std::to_string(before));
  RecordProperty("after_bytes", std::to_string(resident_bytes(server().pid())));
}

}  // namespace
