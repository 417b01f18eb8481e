// Parts of files: one range gives 206 and exactly those bytes, one that begins behind the end
// gives 416, and what the server does not understand gives the whole file.
#include "tests/support/server_test.h"

namespace {

using namespace support;

constexpr std::size_t kFileBytes = 100'000;

struct Stretch {
  std::string range;
  std::size_t first;
  std::size_t last;
};

class RangeTest : public ServerTest {
 protected:
  void SetUp() override { tree().fill("file", kFileBytes); }

  Response part(const std::string& range) { return get("/file", {{"Range", range}}); }

  void expect_whole(const Response& response) {
    EXPECT_EQ(response.status, 200);
    EXPECT_FALSE(response.has("Content-Range"));
    EXPECT_TRUE(same_bytes(response.body, TempTree::expected("file", 0, kFileBytes)));
  }

  void expect_part(const Response& response, std::size_t first, std::size_t last) {
    EXPECT_EQ(response.status, 206);
    EXPECT_EQ(response.header("Content-Range"), "bytes " + std::to_string(first) + "-" +
                                                    std::to_string(last) + "/" +
                                                    std::to_string(kFileBytes));
    EXPECT_TRUE(same_bytes(response.body, TempTree::expected("file", first, last - first + 1)));
  }
};

class RangeByPath : public RangeTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(RangeByPath, one_range_is_exactly_those_bytes) {
  const std::vector<Stretch> parts{
      {"bytes=0-0", 0, 0},
      {"bytes=0-499", 0, 499},
      {"bytes=500-999", 500, 999},
      {"bytes=4095-4096", 4095, 4096},
      {"bytes=65535-65537", 65535, 65537},
      {"bytes=500-", 500, kFileBytes - 1},
      {"bytes=0-", 0, kFileBytes - 1},
      {"bytes=99999-", kFileBytes - 1, kFileBytes - 1},
      {"bytes=-1", kFileBytes - 1, kFileBytes - 1},
      {"bytes=-500", kFileBytes - 500, kFileBytes - 1},
      {"bytes=-100000", 0, kFileBytes - 1},
      {"bytes=-200000", 0, kFileBytes - 1},
      {"bytes=90000-200000", 90'000, kFileBytes - 1},
      {"BYTES=1-2", 1, 2},
  };
  serve({"--send-path", GetParam()});
  HttpClient client = connect();
  for (const auto& [range, first, last] : parts) {
    SCOPED_TRACE(range);
    expect_part(client.get("/file", {{"Range", range}}), first, last);
  }
}

TEST_P(RangeByPath, pipelined_ranges_rebuild_the_file) {
  constexpr std::size_t kPiece = 9973;
  serve({"--send-path", GetParam()});
  HttpClient client = connect();
  std::string requests;
  for (std::size_t at = 0; at < kFileBytes; at += kPiece) {
    requests +=
        request("GET", "/file",
                {{"Range", "bytes=" + std::to_string(at) + "-" + std::to_string(at + kPiece - 1)}});
  }
  client.send(requests);
  std::string rebuilt;
  while (rebuilt.size() < kFileBytes) {
    const Response response = client.read_response();
    ASSERT_EQ(response.status, 206);
    rebuilt += response.body;
  }
  EXPECT_TRUE(same_bytes(rebuilt, TempTree::expected("file", 0, kFileBytes)));
}

INSTANTIATE_TEST_SUITE_P(range, RangeByPath, ::testing::ValuesIn(kSendPaths), path_name);

TEST_F(RangeTest, a_range_behind_the_end_is_416_and_tells_the_size) {
  serve();
  HttpClient client = connect();
  for (const char* range :
       {"bytes=100000-", "bytes=100000-100001", "bytes=5000000000-", "bytes=-0"}) {
    const Response response = client.get("/file", {{"Range", range}});
    EXPECT_EQ(response.status, 416) << range;
    EXPECT_EQ(response.header("Content-Range"), "bytes */100000") << range;
    EXPECT_LT(response.body.size(), 1024U);
  }
}

TEST_F(RangeTest, an_empty_file_has_no_ranges) {
  tree().write("empty", "");
  serve();
  const Response response = get("/empty", {{"Range", "bytes=0-"}});
  EXPECT_EQ(response.status, 416);
  EXPECT_EQ(response.header("Content-Range"), "bytes */0");
}

TEST_F(RangeTest, a_malformed_range_is_ignored) {
  serve();
  for (const char* range : {"bytes=5-2", "bytes=abc", "bytes=", "bytes=-", "bytes", "items=0-5",
                            "bytes=1-2-3", "bytes=0x1-0x5", "bytes=--5", "bytes 0-5", "0-5", ""}) {
    SCOPED_TRACE(range);
    expect_whole(part(range));
  }
}

TEST_F(RangeTest, a_number_too_large_to_count_never_wraps) {
  serve();
  const Response clipped = part("bytes=0-99999999999999999999999999");
  if (clipped.status == 206) {
    expect_part(clipped, 0, kFileBytes - 1);
  } else {
    expect_whole(clipped);
  }
  const Response behind = part("bytes=18446744073709551616-18446744073709551620");
  EXPECT_TRUE(behind.status == 416 || behind.status == 200) << behind.status;
  if (behind.status == 200) expect_whole(behind);
}

TEST_F(RangeTest, a_head_ignores_the_range) {
  serve();
  HttpClient client = connect();
  const Response response = client.exchange("HEAD", "/file", {{"Range", "bytes=0-9"}});
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.content_length(), kFileBytes);
}

TEST_F(RangeTest, if_range_with_the_etag_gives_the_part) {
  serve();
  const std::string etag = head("/file").header("ETag");
  expect_part(get("/file", {{"Range", "bytes=10-19"}, {"If-Range", etag}}), 10, 19);
}

TEST_F(RangeTest, if_range_with_another_or_weak_etag_gives_the_whole) {
  serve();
  const std::string etag = head("/file").header("ETag");
  expect_whole(get("/file", {{"Range", "bytes=10-19"}, {"If-Range", "\"other\""}}));
  expect_whole(get("/file", {{"Range", "bytes=10-19"}, {"If-Range", "W/" + etag}}));
}

TEST_F(RangeTest, if_range_with_the_exact_date_gives_the_part) {
  tree().modified_at("file", 1'600'000'000);
  serve();
  const auto with_date = [&](std::int64_t date) {
    return get("/file", {{"Range", "bytes=10-19"}, {"If-Range", http_date(date)}});
  };
  expect_part(with_date(1'600'000'000), 10, 19);
  expect_whole(with_date(1'600'000'001));
  expect_whole(with_date(1'599'999'999));
}

TEST_F(RangeTest, if_range_outdated_makes_a_range_behind_the_end_the_whole) {
  serve();
  expect_whole(get("/file", {{"Range", "bytes=200000-"}, {"If-Range", "\"other\""}}));
}

TEST_F(RangeTest, not_modified_outranks_the_range) {
  serve();
  const std::string etag = head("/file").header("ETag");
  EXPECT_EQ(get("/file", {{"Range", "bytes=10-19"}, {"If-None-Match", etag}}).status, 304);
}

TEST_F(RangeTest, an_error_has_no_range) {
  serve();
  EXPECT_EQ(get("/absent", {{"Range", "bytes=0-1"}}).status, 404);
}

}  // namespace
