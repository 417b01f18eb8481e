// Pipelined requests: answered in order, and the small answers gathered into few sends, which
// the segments counted by the client's kernel show.
#include "tests/support/server_test.h"

namespace {

using namespace support;

constexpr int kRequests = 100;

class PipeliningTest : public ServerTest, public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    for (int i = 0; i < kRequests; ++i) tree().fill(name(i), 100);
  }
  static std::string name(int i) { return "file-" + std::to_string(i); }

  void send_all(HttpClient& client) {
    std::string requests;
    for (int i = 0; i < kRequests; ++i) requests += request("GET", "/" + name(i));
    client.send(requests);
  }
  void expect_all_in_order(HttpClient& client) {
    for (int i = 0; i < kRequests; ++i) {
      const Response response = client.read_response();
      ASSERT_EQ(response.status, 200);
      ASSERT_TRUE(same_bytes(response.body, TempTree::expected(name(i), 0, 100))) << i;
    }
  }
};

TEST_P(PipeliningTest, a_hundred_requests_are_answered_in_order) {
  serve({"--send-path", GetParam()});
  HttpClient client = connect();
  for (int round = 0; round < 3; ++round) {
    send_all(client);
    expect_all_in_order(client);
  }
}

TEST_P(PipeliningTest, a_hundred_requests_a_byte_at_a_time_are_answered_in_order) {
  serve({"--send-path", GetParam(), "--memory-cache", "0"});
  HttpClient client = connect();
  for (int i = 0; i < kRequests; ++i) client.send_byte_by_byte(request("GET", "/" + name(i)));
  expect_all_in_order(client);
}

TEST_P(PipeliningTest, errors_keep_their_place_in_the_order) {
  serve({"--send-path", GetParam()});
  HttpClient client = connect();
  std::string requests;
  for (int i = 0; i < kRequests; ++i) {
    requests +=
        request("GET", "/" + name(i)) + request("GET", "/absent") + request("HEAD", "/" + name(i));
  }
  client.send(requests);
  for (int i = 0; i < kRequests; ++i) {
    ASSERT_TRUE(same_bytes(client.read_response().body, TempTree::expected(name(i), 0, 100)));
    ASSERT_EQ(client.read_response().status, 404);
    ASSERT_EQ(client.read_response("HEAD").content_length(), 100U);
  }
}

INSTANTIATE_TEST_SUITE_P(pipelining, PipeliningTest, ::testing::ValuesIn(kSendPaths), path_name);

class GatheringTest : public PipeliningTest {};

TEST_P(GatheringTest, a_hundred_small_answers_need_few_segments) {
  serve({"--send-path", GetParam()});
  HttpClient client = connect();
  send_all(client);
  expect_all_in_order(client);
  const std::uint64_t before = client.tcp_facts().data_segments_in;
  send_all(client);
  expect_all_in_order(client);
  const std::uint64_t segments = client.tcp_facts().data_segments_in - before;
  RecordProperty("segments", std::to_string(segments));
  // A hundred when nothing is gathered; the requests themselves arrive in one or two buffers.
  EXPECT_LE(segments, 20U);
}

TEST_P(GatheringTest, a_hundred_errors_need_few_segments) {
  serve({"--send-path", GetParam()});
  HttpClient client = connect();
  std::string requests;
  for (int i = 0; i < kRequests; ++i) requests += request("GET", "/absent");
  const std::uint64_t before = client.tcp_facts().data_segments_in;
  client.send(requests);
  for (int i = 0; i < kRequests; ++i) ASSERT_EQ(client.read_response().status, 404);
  EXPECT_LE(client.tcp_facts().data_segments_in - before, 20U);
}

INSTANTIATE_TEST_SUITE_P(pipelining, GatheringTest, ::testing::Values("auto"), path_name);

}  // namespace
