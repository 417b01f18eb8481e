// Pipelined requests: answered in order by every send path, errors among them. How the bodies in
// memory are gathered is memory_test's.
#include "tests/support/server_test.h"

namespace {

using namespace support;

constexpr int kRequests = 100;

class PipeliningTest : public ServerTest {
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

class PipeliningByPath : public PipeliningTest,
                         public ::testing::WithParamInterface<const char*> {};

TEST_P(PipeliningByPath, a_hundred_requests_are_answered_in_order) {
  serve({"--send-path", GetParam()});
  HttpClient client = connect();
  for (int round = 0; round < 3; ++round) {
    send_all(client);
    expect_all_in_order(client);
  }
}

TEST_P(PipeliningByPath, a_hundred_requests_a_byte_at_a_time_are_answered_in_order) {
  serve({"--send-path", GetParam(), "--memory-cache", "0"});
  HttpClient client = connect();
  for (int i = 0; i < kRequests; ++i) client.send_byte_by_byte(request("GET", "/" + name(i)));
  expect_all_in_order(client);
}

TEST_P(PipeliningByPath, errors_keep_their_place_in_the_order) {
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

INSTANTIATE_TEST_SUITE_P(pipelining, PipeliningByPath, ::testing::ValuesIn(kSendPaths), path_name);

TEST_F(PipeliningTest, a_hundred_errors_need_few_segments) {
  serve();
  HttpClient client = connect();
  std::string requests;
  for (int i = 0; i < kRequests; ++i) requests += request("GET", "/absent");
  const std::uint64_t before = client.tcp_facts().data_segments_in;
  client.send(requests);
  for (int i = 0; i < kRequests; ++i) ASSERT_EQ(client.read_response().status, 404);
  EXPECT_LE(client.tcp_facts().data_segments_in - before, 20U);
}

}  // namespace
