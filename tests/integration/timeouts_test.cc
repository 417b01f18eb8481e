// Clients that take too long. Each limit has its own option; a test sets it to one second and
// waits for what must follow, however long that takes on a busy machine.
#include "tests/support/server_test.h"

namespace {

using namespace support;

class TimeoutsTest : public ServerTest {
 protected:
  void SetUp() override { tree().fill("small", 1000); }

  void expect_408(HttpClient& client) {
    const Response response = client.read_response();
    EXPECT_EQ(response.status, 408);
    EXPECT_FALSE(response.keeps_alive());
    EXPECT_EQ(client.read_to_end().bytes, "");
  }
};

TEST_F(TimeoutsTest, a_head_that_never_ends_is_408) {
  serve({"--header-timeout-s", "1"});
  HttpClient client = connect();
  client.send("GET /small HTTP/1.1\r\nHost: te");
  expect_408(client);
  expect_file("small", 1000);
}

TEST_F(TimeoutsTest, a_later_head_that_never_ends_is_408) {
  serve({"--header-timeout-s", "1"});
  HttpClient client = connect();
  expect_file(client, "small", 1000);
  client.send("GET /sm");
  expect_408(client);
}

TEST_F(TimeoutsTest, drops_of_a_head_do_not_extend_its_time) {
  serve({"--header-timeout-s", "1"});
  HttpClient client = connect();
  client.send("GET /small HTTP/1.1\r\n");
  const Deadline deadline;
  // A slow-loris: always one more byte, never the end. The limit is for the head, not a byte.
  while (!client.readable() && client.send_if_possible("X")) {
    ASSERT_FALSE(deadline.passed()) << "never refused";
    client.wait_readable_ms(50);
  }
  EXPECT_TRUE(client.readable());
}

TEST_F(TimeoutsTest, an_idle_connection_is_closed_silently) {
  serve({"--idle-timeout-s", "1"});
  HttpClient client = connect();
  expect_file(client, "small", 1000);
  const Remainder rest = client.read_to_end();
  EXPECT_EQ(rest.bytes, "");
  EXPECT_EQ(rest.ending, Ending::kEndOfFile);
}

TEST_F(TimeoutsTest, a_connection_in_use_is_not_idle) {
  serve({"--idle-timeout-s", "2"});
  HttpClient busy = connect();
  HttpClient idle = connect();
  expect_file(idle, "small", 1000);
  // The idle one ends by the same timer that must spare the busy one.
  while (!idle.readable()) expect_file(busy, "small", 1000);
  EXPECT_EQ(idle.read_to_end().bytes, "");
  expect_file(busy, "small", 1000);
}

TEST_F(TimeoutsTest, a_connection_that_says_nothing_at_all_is_ended) {
  serve({"--header-timeout-s", "1", "--idle-timeout-s", "1"});
  HttpClient client = connect();
  const Remainder rest = client.read_to_end();
  EXPECT_EQ(rest.bytes.find("HTTP/1.1 2"), std::string::npos);
}

class SendTimeout : public TimeoutsTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(SendTimeout, a_client_that_stops_reading_is_ended) {
  constexpr std::size_t kSize = 32 * 1024 * 1024;
  tree().fill("large", kSize);
  serve({"--send-path", GetParam(), "--send-timeout-s", "1"});
  HttpClient client = connect({.receive_buffer_bytes = 65536});
  client.send(request("GET", "/large"));
  EXPECT_EQ(client.read_head().status, 200);
  // Not reading: that the server has given up shows in the kernel's table of sockets.
  const Deadline deadline;
  while (tcp_socket_is_held(server().endpoint().port, client.local_port())) {
    expect_file("small", 1000);
    ASSERT_FALSE(deadline.passed()) << "still waiting for the client";
  }
  EXPECT_LT(client.read_to_end().bytes.size(), kSize);
}

INSTANTIATE_TEST_SUITE_P(timeouts, SendTimeout, ::testing::ValuesIn(kSendPaths), path_name);

TEST_F(TimeoutsTest, a_slow_client_that_keeps_reading_is_not_ended) {
  constexpr std::size_t kSize = 32 * 1024 * 1024;
  tree().fill("large", kSize);
  serve({"--send-timeout-s", "2", "--idle-timeout-s", "2", "--header-timeout-s", "2"});
  HttpClient slow = connect({.receive_buffer_bytes = 16384});
  HttpClient idle = connect();
  expect_file(idle, "small", 1000);
  slow.send(request("GET", "/large"));
  ASSERT_EQ(slow.read_head().content_length(), kSize);
  std::string body;
  // A little at a time until the idle one has been ended, so that more than the limit passes.
  while (!idle.readable() && body.size() < kSize / 2) {
    body += slow.read_exactly(16384);
    idle.wait_readable_ms(5);
  }
  body += slow.read_exactly(kSize - body.size());
  EXPECT_TRUE(same_bytes(body, TempTree::expected("large", 0, kSize)));
}

}  // namespace
