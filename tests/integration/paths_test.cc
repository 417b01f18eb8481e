// Every send path delivers every size, byte for byte. The sizes sit on both sides of a page and
// of a pipe; the sparse file is larger than 32 bits can count.
#include <tuple>

#include "tests/support/server_test.h"

namespace {

using namespace support;

constexpr std::uint64_t kSparseBytes = 5ULL * 1024 * kMiB;
constexpr std::array<std::size_t, 10> kSizes{0,     1,     4095,  4096, 4097,
                                             65535, 65536, 65537, kMiB, 64 * kMiB};

class PathsTest : public ServerTest {
 protected:
  // A window of the sparse file arrives as the range it was asked for.
  void expect_window(HttpClient& client, std::uint64_t offset, std::size_t size) {
    const std::string first = std::to_string(offset);
    const std::string last = std::to_string(offset + size - 1);
    const Response part = client.get("/sparse", {{"Range", "bytes=" + first + "-" + last}});
    EXPECT_EQ(part.status, 206);
    EXPECT_EQ(part.header("Content-Range"),
              "bytes " + first + "-" + last + "/" + std::to_string(kSparseBytes));
    EXPECT_TRUE(same_bytes(part.body, TempTree::expected("sparse", offset, size)));
  }

  void make_sparse_file_with(std::uint64_t offset, std::size_t size) {
    tree().sparse("sparse", kSparseBytes);
    tree().fill_window("sparse", offset, size);
  }
};

class PathAndSize : public PathsTest,
                    public ::testing::WithParamInterface<std::tuple<const char*, std::size_t>> {};

TEST_P(PathAndSize, a_file_arrives_byte_for_byte) {
  const auto [path, size] = GetParam();
  tree().fill("file", size);
  serve({"--send-path", path});
  HttpClient client = connect();
  expect_file(client, "file", size);
  // Again on the same connection: by now the file is open, and may be in memory.
  expect_file(client, "file", size);
}

// The sizes that could be held in memory, by servers that may not hold anything.
class PathAndSmallSize : public PathAndSize {};

TEST_P(PathAndSmallSize, a_file_arrives_byte_for_byte_without_memory_cache) {
  const auto [path, size] = GetParam();
  tree().fill("file", size);
  serve({"--send-path", path, "--memory-cache", "0"});
  HttpClient client = connect();
  expect_file(client, "file", size);
  expect_file(client, "file", size);
}

std::string path_and_size_name(
    const ::testing::TestParamInfo<std::tuple<const char*, std::size_t>>& info) {
  return as_identifier(std::get<0>(info.param)) + "_" + std::to_string(std::get<1>(info.param));
}

INSTANTIATE_TEST_SUITE_P(paths, PathAndSize,
                         ::testing::Combine(::testing::ValuesIn(kSendPaths),
                                            ::testing::ValuesIn(kSizes)),
                         path_and_size_name);

INSTANTIATE_TEST_SUITE_P(paths, PathAndSmallSize,
                         ::testing::Combine(::testing::ValuesIn(kSendPaths),
                                            ::testing::ValuesIn(kSizes.begin(), kSizes.end() - 1)),
                         path_and_size_name);

class PathAlone : public PathsTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(PathAlone, the_last_range_of_a_five_gigabyte_file_arrives) {
  constexpr std::size_t kSize = 100'000;
  make_sparse_file_with(kSparseBytes - kSize, kSize);
  serve({"--send-path", GetParam()});
  HttpClient client = connect();
  expect_window(client, kSparseBytes - kSize, kSize);
  expect_window(client, kSparseBytes - 1, 1);
}

TEST_P(PathAlone, a_range_across_the_fourth_gigabyte_arrives) {
  constexpr std::uint64_t kFourGiB = 4ULL * 1024 * kMiB;
  constexpr std::size_t kSize = 3 * kMiB + 17;
  constexpr std::uint64_t kOffset = kFourGiB - kMiB - 5;
  make_sparse_file_with(kOffset, kSize);
  serve({"--send-path", GetParam()});
  HttpClient client = connect();
  expect_window(client, kOffset, kSize);
  expect_window(client, kOffset + 4099, 70'001);
}

TEST_P(PathAlone, a_head_request_tells_five_gigabytes_and_sends_none) {
  tree().sparse("sparse", kSparseBytes);
  serve({"--send-path", GetParam()});
  HttpClient client = connect();
  EXPECT_EQ(client.exchange("HEAD", "/sparse").content_length(), kSparseBytes);
  EXPECT_EQ(client.get("/absent").status, 404);
}

TEST_P(PathAlone, files_of_all_sizes_follow_each_other_on_one_connection) {
  const std::vector<std::size_t> sizes{0, 70'000, 1, 4096, 0, 300'000, 65'536, 12};
  for (const std::size_t size : sizes) tree().fill("of-" + std::to_string(size), size);
  serve({"--send-path", GetParam(), "--threads", "1"});
  HttpClient client = connect();
  for (int round = 0; round < 5; ++round) {
    for (const std::size_t size : sizes) expect_file(client, "of-" + std::to_string(size), size);
  }
}

TEST_P(PathAlone, pipelined_files_arrive_in_order) {
  const std::vector<std::size_t> sizes{5, 200'000, 0, 4096, 1'000'000, 3, 65'537, 100};
  std::string requests;
  for (const std::size_t size : sizes) {
    tree().fill("of-" + std::to_string(size), size);
    requests += request("GET", "/of-" + std::to_string(size));
  }
  serve({"--send-path", GetParam()});
  HttpClient client = connect();
  client.send(requests);
  for (const std::size_t size : sizes) {
    const Response response = client.read_response();
    EXPECT_EQ(response.status, 200);
    EXPECT_TRUE(
        same_bytes(response.body, TempTree::expected("of-" + std::to_string(size), 0, size)));
  }
}

TEST_P(PathAlone, a_small_receive_buffer_gets_everything) {
  constexpr std::size_t kSize = 8 * kMiB + 1;
  tree().fill("file", kSize);
  serve({"--send-path", GetParam()});
  HttpClient client = connect({.receive_buffer_bytes = 4096});
  expect_file(client, "file", kSize);
}

TEST_P(PathAlone, many_connections_share_the_workers) {
  constexpr std::size_t kSize = 500'000;
  tree().fill("file", kSize);
  serve({"--send-path", GetParam()});
  std::vector<HttpClient> clients;
  for (std::size_t i = 0; i < scaled(64, 24); ++i) {
    clients.push_back(connect({.receive_buffer_bytes = 16384}));
    clients.back().send(request("GET", "/file"));
  }
  const std::string expected = TempTree::expected("file", 0, kSize);
  for (HttpClient& client : clients) {
    EXPECT_TRUE(same_bytes(client.read_response().body, expected));
  }
}

INSTANTIATE_TEST_SUITE_P(paths, PathAlone, ::testing::ValuesIn(kSendPaths), path_name);

using PathAndCorkParam = std::tuple<const char*, const char*>;
class PathAndCork : public PathsTest, public ::testing::WithParamInterface<PathAndCorkParam> {};

TEST_P(PathAndCork, files_arrive_whole_under_this_cork) {
  const auto [path, cork] = GetParam();
  const std::vector<std::size_t> sizes{0, 1, 1024, 65'536, 2 * kMiB + 3};
  for (const std::size_t size : sizes) tree().fill("of-" + std::to_string(size), size);
  serve({"--send-path", path, "--cork", cork, "--memory-cache", "0"});
  HttpClient client = connect();
  for (int round = 0; round < 3; ++round) {
    for (const std::size_t size : sizes) expect_file(client, "of-" + std::to_string(size), size);
  }
}

std::string path_and_cork_name(const ::testing::TestParamInfo<PathAndCorkParam>& info) {
  return as_identifier(std::get<0>(info.param)) + "_" + as_identifier(std::get<1>(info.param));
}

INSTANTIATE_TEST_SUITE_P(paths, PathAndCork,
                         ::testing::Combine(::testing::ValuesIn(kSendPaths),
                                            ::testing::Values("tcp-cork", "msg-more", "none")),
                         path_and_cork_name);

}  // namespace
