// A file that shrinks while it is being sent: the announced length can no longer be kept, so
// that connection is reset, once in the log, and nobody else notices.
#include "tests/support/server_test.h"

namespace {

using namespace support;

constexpr std::size_t kTruncatedBytes = 32 * kMiB;

class TruncationTest : public ServerTest, public ::testing::WithParamInterface<const char*> {
 protected:
  // A client in the middle of the large file: the rest is still the server's to send.
  HttpClient begin_download(const std::string& name) {
    HttpClient client = connect({.receive_buffer_bytes = 65536});
    client.send(request("GET", "/" + name));
    const Response head = client.read_head();
    EXPECT_EQ(head.status, 200);
    EXPECT_EQ(head.content_length(), kTruncatedBytes);
    EXPECT_TRUE(same_bytes(client.read_exactly(kMiB), TempTree::expected(name, 0, kMiB)));
    return client;
  }

  void expect_reset(HttpClient& client) {
    const Remainder rest = client.read_to_end();
    EXPECT_EQ(rest.ending, Ending::kReset);
    EXPECT_LT(rest.bytes.size(), kTruncatedBytes - kMiB);
  }
};

TEST_P(TruncationTest, a_truncated_file_resets_the_connection) {
  tree().fill("large", kTruncatedBytes);
  serve({"--send-path", GetParam()});
  HttpClient client = begin_download("large");
  tree().cut("large", 2 * kMiB);
  expect_reset(client);
  EXPECT_TRUE(server().wait_for_log("truncated"));
  EXPECT_EQ(count_lines_with(server().log(), {"truncated"}), 1U);
  EXPECT_EQ(count_lines_with(server().log(), {"truncated", "large"}), 1U);
}

TEST_P(TruncationTest, nobody_else_notices_a_truncated_file) {
  tree().fill("large", kTruncatedBytes);
  tree().fill("other", kTruncatedBytes);
  tree().fill("small", 1000);
  serve({"--send-path", GetParam(), "--threads", "1"});
  HttpClient victim = begin_download("large");
  HttpClient other = begin_download("other");
  HttpClient idle = connect();
  expect_file(idle, "small", 1000);
  tree().cut("large", 2 * kMiB);
  expect_reset(victim);
  EXPECT_TRUE(same_bytes(other.read_exactly(kTruncatedBytes - kMiB),
                         TempTree::expected("other", kMiB, kTruncatedBytes - kMiB)));
  expect_file(idle, "small", 1000);
  expect_file(other, "small", 1000);
}

TEST_P(TruncationTest, the_truncated_file_is_served_at_its_new_size) {
  tree().fill("large", kTruncatedBytes);
  serve({"--send-path", GetParam(), "--threads", "1"});
  HttpClient victim = begin_download("large");
  tree().cut("large", 4096);
  expect_reset(victim);
  const Deadline deadline;
  while (head("/large").content_length() != 4096) ASSERT_FALSE(deadline.passed());
  expect_file("large", 4096);
}

TEST_P(TruncationTest, a_file_cut_to_nothing_resets_too) {
  tree().fill("large", kTruncatedBytes);
  serve({"--send-path", GetParam()});
  HttpClient victim = begin_download("large");
  tree().cut("large", 0);
  expect_reset(victim);
  expect_alive();
}

TEST_P(TruncationTest, a_truncated_range_resets_only_when_its_bytes_are_gone) {
  tree().fill("large", kTruncatedBytes);
  serve({"--send-path", GetParam()});
  HttpClient client = connect({.receive_buffer_bytes = 65536});
  client.send(request("GET", "/large", {{"Range", "bytes=0-16777215"}}));
  const Response head = client.read_head();
  ASSERT_EQ(head.status, 206);
  // Behind the range: what was promised is still there.
  tree().cut("large", 20 * kMiB);
  EXPECT_TRUE(
      same_bytes(client.read_exactly(16 * kMiB), TempTree::expected("large", 0, 16 * kMiB)));
  EXPECT_EQ(client.get("/absent").status, 404);
}

INSTANTIATE_TEST_SUITE_P(truncation, TruncationTest, ::testing::ValuesIn(kSendPaths), path_name);

}  // namespace
