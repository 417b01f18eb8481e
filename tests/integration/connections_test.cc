// What clients do to connections: send in drops, close their half, stall, vanish. Whatever one
// of them does, it gets what it is due, and the others do not notice.
#include "tests/support/server_test.h"

namespace {

using namespace support;

class ConnectionsTest : public ServerTest {
 protected:
  void SetUp() override { tree().fill("small", 1000); }

  // A client that asks for the whole file and reads nothing but the head.
  HttpClient stall_in(const std::string& name) {
    HttpClient client = connect({.receive_buffer_bytes = 4096});
    client.send(request("GET", "/" + name));
    EXPECT_EQ(client.read_head().status, 200);
    return client;
  }

  // Others are served meanwhile, over old and new connections.
  void expect_service_for_others() {
    HttpClient other = connect();
    for (int i = 0; i < 100; ++i) expect_file(other, "small", 1000);
    for (int i = 0; i < 10; ++i) expect_file("small", 1000);
  }

  // Until the server has given back what connections held.
  void wait_for_descriptors_at_most(std::size_t limit) {
    const Deadline deadline;
    while (open_descriptors(server().pid()) > limit) {
      expect_alive();
      ASSERT_FALSE(deadline.passed()) << open_descriptors(server().pid()) << " open descriptors";
    }
  }
};

class ConnectionsByPath : public ConnectionsTest,
                          public ::testing::WithParamInterface<const char*> {};

TEST_F(ConnectionsTest, a_request_may_arrive_a_byte_at_a_time) {
  serve();
  HttpClient client = connect();
  for (int i = 0; i < 5; ++i) {
    client.send_byte_by_byte(request("GET", "/small", {{"X-Padding", "some more bytes"}}));
    const Response response = client.read_response();
    EXPECT_EQ(response.status, 200);
    EXPECT_TRUE(same_bytes(response.body, TempTree::expected("small", 0, 1000)));
  }
}

TEST_F(ConnectionsTest, a_request_may_be_cut_anywhere) {
  serve();
  const std::string whole = request("GET", "/small");
  HttpClient client = connect();
  for (std::size_t cut = 1; cut < whole.size(); ++cut) {
    // The end of one request and the beginning of the next share a segment.
    client.send(whole.substr(0, cut));
    client.send(whole.substr(cut) + whole.substr(0, cut));
    ASSERT_EQ(client.read_response().status, 200) << cut;
    client.send(whole.substr(cut));
    ASSERT_EQ(client.read_response().status, 200) << cut;
  }
}

TEST_P(ConnectionsByPath, a_client_that_half_closes_gets_the_whole_response) {
  constexpr std::size_t kSize = 8 * kMiB;
  tree().fill("large", kSize);
  serve({"--send-path", GetParam()});
  HttpClient client = connect({.receive_buffer_bytes = 65536});
  client.send(request("GET", "/large"));
  client.half_close();
  const Response response = client.read_response();
  EXPECT_TRUE(same_bytes(response.body, TempTree::expected("large", 0, kSize)));
  EXPECT_EQ(client.read_to_end().ending, Ending::kEndOfFile);
}

TEST_P(ConnectionsByPath, pipelined_requests_before_a_half_close_are_all_answered) {
  serve({"--send-path", GetParam()});
  HttpClient client = connect();
  std::string requests;
  for (int i = 0; i < 20; ++i) requests += request("GET", "/small");
  client.send(requests);
  client.half_close();
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(same_bytes(client.read_response().body, TempTree::expected("small", 0, 1000)));
  }
  const Remainder rest = client.read_to_end();
  EXPECT_EQ(rest.bytes, "");
  EXPECT_EQ(rest.ending, Ending::kEndOfFile);
}

TEST_P(ConnectionsByPath, the_last_request_of_a_connection_may_wait_behind_a_large_answer) {
  constexpr std::size_t kSize = 16 * kMiB;
  tree().fill("large", kSize);
  serve({"--send-path", GetParam()});
  HttpClient client = stall_in("large");
  // These have to be kept until the large answer is through; then the first one ends it all.
  client.send(request("GET", "/small", {{"Connection", "close"}}) + request("GET", "/small"));
  EXPECT_TRUE(same_bytes(client.read_exactly(kSize), TempTree::expected("large", 0, kSize)));
  const Response last = client.read_response();
  EXPECT_TRUE(same_bytes(last.body, TempTree::expected("small", 0, 1000)));
  expect_connection_as_announced(client, last);
  EXPECT_FALSE(last.keeps_alive());
  expect_alive();
}

TEST_P(ConnectionsByPath, a_broken_request_may_wait_behind_a_large_answer) {
  constexpr std::size_t kSize = 16 * kMiB;
  tree().fill("large", kSize);
  serve({"--send-path", GetParam()});
  HttpClient client = stall_in("large");
  client.send("this is no request\r\n\r\n" + request("GET", "/small"));
  EXPECT_TRUE(same_bytes(client.read_exactly(kSize), TempTree::expected("large", 0, kSize)));
  const Response last = client.read_response();
  EXPECT_GE(last.status, 400);
  EXPECT_FALSE(last.keeps_alive());
  expect_connection_as_announced(client, last);
  expect_alive();
}

TEST_F(ConnectionsTest, a_half_request_before_a_half_close_ends_the_connection) {
  serve();
  HttpClient client = connect();
  client.send("GET /small HTTP/1.1\r\nHost");
  client.half_close();
  const Remainder rest = client.read_to_end();
  EXPECT_EQ(rest.bytes.find("HTTP/1.1 200"), std::string::npos);
  expect_alive();
}

TEST_F(ConnectionsTest, a_client_that_says_nothing_and_leaves_costs_nothing) {
  serve();
  expect_alive();
  const std::size_t before = open_descriptors(server().pid());
  for (int i = 0; i < 200; ++i) {
    HttpClient silent = connect();
    if (i % 2 == 0) silent.cut();
  }
  wait_for_descriptors_at_most(before + 4);
}

TEST_P(ConnectionsByPath, clients_that_vanish_in_the_middle_cost_nothing) {
  tree().fill("large", 16 * kMiB);
  serve({"--send-path", GetParam()});
  // Warm: what is kept open for good is open now.
  expect_file("large", 16 * kMiB);
  expect_file("small", 1000);
  const std::size_t before = open_descriptors(server().pid());
  for (int round = 0; round < 5; ++round) {
    std::vector<HttpClient> vanishing;
    for (int i = 0; i < 8; ++i) vanishing.push_back(stall_in("large"));
    expect_service_for_others();
    for (std::size_t i = 0; i < vanishing.size(); i += 2) vanishing[i].cut();
  }
  // Pipes may stay in their pools: a few descriptors for each that was in use at once.
  wait_for_descriptors_at_most(before + 24);
  expect_file("large", 16 * kMiB);
}

TEST_P(ConnectionsByPath, a_client_that_vanishes_before_the_response_costs_nothing) {
  serve({"--send-path", GetParam()});
  for (int i = 0; i < 200; ++i) {
    HttpClient client = connect();
    client.send(request("GET", "/small") + request("GET", "/small"));
    if (i % 2 == 0) client.cut();
  }
  expect_service_for_others();
}

TEST_P(ConnectionsByPath, slow_readers_stop_nobody_and_hold_no_threads) {
  constexpr std::size_t kReaders = 40;
  tree().fill("large", 16 * kMiB);
  serve({"--send-path", GetParam(), "--threads", "1"});
  expect_service_for_others();
  const std::size_t threads_before = thread_count(server().pid());
  std::vector<HttpClient> readers;
  for (std::size_t i = 0; i < kReaders; ++i) readers.push_back(stall_in("large"));
  expect_service_for_others();
  EXPECT_LT(thread_count(server().pid()), threads_before + kReaders / 2);
  // And the slow ones lose nothing by it.
  for (std::size_t i = 0; i < kReaders; i += 8) {
    EXPECT_TRUE(
        same_bytes(readers[i].read_exactly(16 * kMiB), TempTree::expected("large", 0, 16 * kMiB)));
  }
}

TEST_P(ConnectionsByPath, slow_readers_hold_little_memory) {
  constexpr std::size_t kReaders = 32;
  if (is_sanitized()) GTEST_SKIP() << "a sanitizer's memory is its own";
  tree().fill("large", 64 * kMiB);
  serve({"--send-path", GetParam(), "--memory-cache", "0"});
  expect_service_for_others();
  const std::size_t before = resident_bytes(server().pid());
  std::vector<HttpClient> readers;
  for (std::size_t i = 0; i < kReaders; ++i) readers.push_back(stall_in("large"));
  expect_service_for_others();
  const std::size_t after = resident_bytes(server().pid());
  EXPECT_LT(after, before + kReaders * kMiB) << "more than a mebibyte for each slow reader";
}

INSTANTIATE_TEST_SUITE_P(connections, ConnectionsByPath, ::testing::ValuesIn(kSendPaths),
                         path_name);

TEST_F(ConnectionsTest, slow_writers_stop_nobody) {
  serve({"--threads", "1"});
  std::vector<HttpClient> writers;
  for (int i = 0; i < 50; ++i) {
    writers.push_back(connect());
    writers.back().send("GET /small HTTP/1.1\r\nHo");
  }
  expect_service_for_others();
  for (HttpClient& writer : writers) {
    writer.send("st: test\r\n\r\n");
    EXPECT_EQ(writer.read_response().status, 200);
  }
}

TEST_F(ConnectionsTest, a_client_that_never_reads_its_pipelined_answers_is_held_back) {
  tree().fill("page", 60'000);
  serve({"--threads", "1", "--send-timeout-s", "60"});
  HttpClient greedy = connect({.receive_buffer_bytes = 4096});
  std::string requests;
  for (int i = 0; i < 200; ++i) requests += request("GET", "/page");
  greedy.send(requests);
  expect_service_for_others();
  for (int i = 0; i < 200; ++i) {
    const Response response = greedy.read_response();
    ASSERT_TRUE(same_bytes(response.body, TempTree::expected("page", 0, 60'000))) << i;
  }
}

}  // namespace
