// Several parts of a file in one response: multipart/byteranges (RFC 9110 section 14.6) by every
// send path, its length told in advance, each part exactly the bytes that it says it is.
#include "tests/support/server_test.h"

namespace {

using namespace support;

constexpr std::size_t kPartedBytes = 300'000;

struct Part {
  std::string type;
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint64_t size = 0;  // of the file
  std::string bytes;
};

// Takes `expected` off the front of `text`; throws where something else is there.
void take(std::string_view& text, std::string_view expected) {
  if (text.substr(0, expected.size()) != expected) {
    throw ProtocolError("'" + std::string(expected) + "' is missing in a multipart");
  }
  text.remove_prefix(expected.size());
}

std::string take_until(std::string_view& text, std::string_view end) {
  const std::size_t at = text.find(end);
  if (at == std::string_view::npos) throw ProtocolError("a multipart ends too early");
  const std::string taken(text.substr(0, at));
  text.remove_prefix(at + end.size());
  return taken;
}

std::string boundary_of(const Response& response) {
  const std::string type = response.header("Content-Type");
  std::string_view rest = type;
  take(rest, "multipart/byteranges; boundary=");
  return std::string(rest);
}

// Strictly: nothing in front of the first delimiter, nothing behind the last.
std::vector<Part> parts_of(const Response& response) {
  const std::string delimiter = "--" + boundary_of(response);
  std::string_view rest = response.body;
  std::vector<Part> parts;
  take(rest, delimiter);
  while (rest.substr(0, 2) == "\r\n") {
    take(rest, "\r\n");
    const std::string head = "HTTP/1.1 206 Part\r\n" + take_until(rest, "\r\n\r\n") + "\r\n\r\n";
    const Response fields = parse_head(head);
    const std::string content_range = fields.header("Content-Range");
    std::string_view range = content_range;
    Part part;
    take(range, "bytes ");
    part.first = std::stoull(take_until(range, "-"));
    part.last = std::stoull(take_until(range, "/"));
    part.size = std::stoull(std::string(range));
    part.type = fields.header("Content-Type");
    const std::uint64_t length = part.last - part.first + 1;
    if (part.last < part.first || length > rest.size()) throw ProtocolError("a part too long");
    part.bytes = rest.substr(0, length);
    rest.remove_prefix(length);
    parts.push_back(std::move(part));
    take(rest, "\r\n" + delimiter);
  }
  take(rest, "--\r\n");
  if (!rest.empty()) throw ProtocolError("something behind the last delimiter");
  return parts;
}

class MultipartTest : public ServerTest {
 protected:
  void SetUp() override { tree().fill("file.txt", kPartedBytes); }

  void expect_parts(const Response& response,
                    const std::vector<std::pair<std::uint64_t, std::uint64_t>>& expected) {
    ASSERT_EQ(response.status, 206);
    EXPECT_FALSE(response.has("Content-Range")) << "only its parts have one";
    const std::vector<Part> parts = parts_of(response);
    ASSERT_EQ(parts.size(), expected.size());
    for (std::size_t i = 0; i < parts.size(); ++i) {
      SCOPED_TRACE(i);
      const auto [first, last] = expected[i];
      EXPECT_EQ(parts[i].first, first);
      EXPECT_EQ(parts[i].last, last);
      EXPECT_EQ(parts[i].size, kPartedBytes);
      EXPECT_EQ(parts[i].type.substr(0, 10), "text/plain");
      EXPECT_TRUE(
          same_bytes(parts[i].bytes, TempTree::expected("file.txt", first, last - first + 1)));
    }
  }
};

class MultipartByPath : public MultipartTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(MultipartByPath, every_part_arrives_and_the_connection_lives_on) {
  serve({"--send-path", GetParam()});
  HttpClient client = connect();
  expect_parts(client.get("/file.txt", {{"Range", "bytes=0-99,200000-299999,1000-1000,-500"}}),
               {{0, 99}, {200'000, 299'999}, {1000, 1000}});
  expect_parts(client.get("/file.txt", {{"Range", "bytes=299999-,0-0"}}),
               {{299'999, 299'999}, {0, 0}});
  expect_file(client, "file.txt", kPartedBytes);
}

TEST_P(MultipartByPath, parts_arrive_without_a_memory_cache) {
  serve({"--send-path", GetParam(), "--memory-cache", "0"});
  HttpClient client = connect();
  expect_parts(client.get("/file.txt", {{"Range", "bytes=0-9,65530-65540,100000-280000"}}),
               {{0, 9}, {65'530, 65'540}, {100'000, 280'000}});
}

TEST_P(MultipartByPath, pipelined_behind_and_before_others_they_keep_their_place) {
  serve({"--send-path", GetParam()});
  HttpClient client = connect();
  std::string requests;
  for (int i = 0; i < 5; ++i) {
    requests += request("GET", "/file.txt", {{"Range", "bytes=5-5"}});
    requests += request("GET", "/file.txt", {{"Range", "bytes=0-9999,50000-69999"}});
    requests += request("GET", "/absent");
  }
  client.send(requests);
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(client.read_response().content_length(), 1U);
    expect_parts(client.read_response(), {{0, 9999}, {50'000, 69'999}});
    ASSERT_EQ(client.read_response().status, 404);
  }
}

TEST_P(MultipartByPath, parts_beyond_four_gigabytes_are_exact) {
  constexpr std::uint64_t kHuge = 5'368'709'120;
  constexpr std::uint64_t kFourth = 4'294'967'296;
  tree().sparse("huge.txt", kHuge);
  tree().fill_window("huge.txt", kFourth - 50, 100);
  tree().fill_window("huge.txt", kHuge - 10, 10);
  serve({"--send-path", GetParam()});
  const Response response =
      get("/huge.txt", {{"Range", "bytes=-10," + std::to_string(kFourth - 50) + "-" +
                                      std::to_string(kFourth + 49)}});
  const std::vector<Part> parts = parts_of(response);
  ASSERT_EQ(parts.size(), 2U);
  EXPECT_EQ(parts[0].first, kHuge - 10);
  EXPECT_TRUE(same_bytes(parts[0].bytes, TempTree::expected("huge.txt", kHuge - 10, 10)));
  EXPECT_EQ(parts[1].first, kFourth - 50);
  EXPECT_TRUE(same_bytes(parts[1].bytes, TempTree::expected("huge.txt", kFourth - 50, 100)));
}

INSTANTIATE_TEST_SUITE_P(multipart, MultipartByPath, ::testing::ValuesIn(kSendPaths), path_name);

TEST_F(MultipartTest, parts_that_overlap_or_nearly_touch_come_as_one) {
  serve();
  const Response one = get("/file.txt", {{"Range", "bytes=0-99,50-199,200-250"}});
  EXPECT_EQ(one.status, 206);
  EXPECT_EQ(one.header("Content-Range"), "bytes 0-250/300000");
  expect_parts(get("/file.txt", {{"Range", "bytes=1000-1999,0-9,1500-2499"}}),
               {{1000, 2499}, {0, 9}});
}

TEST_F(MultipartTest, parts_behind_the_end_are_left_out) {
  serve();
  EXPECT_EQ(get("/file.txt", {{"Range", "bytes=0-1,300000-"}}).header("Content-Range"),
            "bytes 0-1/300000");
  const Response none = get("/file.txt", {{"Range", "bytes=300000-,400000-400001"}});
  EXPECT_EQ(none.status, 416);
  EXPECT_EQ(none.header("Content-Range"), "bytes */300000");
}

TEST_F(MultipartTest, a_hostile_list_gets_the_file_once) {
  serve();
  std::string list = "bytes=0-";
  for (int i = 0; i < 3000; ++i) list += ",0-";
  const Response response = get("/file.txt", {{"Range", list}});
  EXPECT_EQ(response.status, 200);
  EXPECT_TRUE(same_bytes(response.body, TempTree::expected("file.txt", 0, kPartedBytes)));
}

TEST_F(MultipartTest, a_condition_that_fails_outranks_the_parts) {
  serve();
  const std::string etag = head("/file.txt").header("ETag");
  const std::string range = "bytes=0-0,5000-5000";
  EXPECT_EQ(get("/file.txt", {{"Range", range}, {"If-None-Match", etag}}).status, 304);
  EXPECT_EQ(get("/file.txt", {{"Range", range}, {"If-Match", "\"x\""}}).status, 412);
  EXPECT_EQ(get("/file.txt", {{"Range", range}, {"If-Range", "\"x\""}}).status, 200);
  expect_parts(get("/file.txt", {{"Range", range}, {"If-Range", etag}}), {{0, 0}, {5000, 5000}});
}

TEST_F(MultipartTest, a_head_has_no_parts) {
  serve();
  HttpClient client = connect();
  const Response response =
      client.exchange("HEAD", "/file.txt", {{"Range", "bytes=0-0,5000-5000"}});
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.content_length(), kPartedBytes);
}

TEST_F(MultipartTest, a_client_that_vanishes_between_parts_costs_nothing) {
  serve();
  for (int i = 0; i < 20; ++i) {
    HttpClient client = connect();
    client.send(request("GET", "/file.txt", {{"Range", "bytes=0-99999,150000-299999"}}));
    EXPECT_EQ(client.read_head().status, 206);
    client.cut();
  }
  expect_alive();
}

TEST_F(MultipartTest, connection_close_comes_after_the_last_part) {
  serve();
  HttpClient client = connect();
  const Response response =
      client.get("/file.txt", {{"Range", "bytes=0-9,200000-299999"}, {"Connection", "close"}});
  expect_parts(response, {{0, 9}, {200'000, 299'999}});
  const Remainder rest = client.read_to_end();
  EXPECT_EQ(rest.bytes, "");
  EXPECT_EQ(rest.ending, Ending::kEndOfFile);
}

}  // namespace
