// The tree changes while a response is on its way: what was begun is finished as it was begun, and
// who asks next gets what is there now. And a tree of many files fills no table beyond its bound.
#include <fmt/format.h>
#include <sys/stat.h>

#include <filesystem>
#include <functional>

#include "tests/support/metrics_text.h"
#include "tests/support/server_test.h"

namespace {

using namespace support;

constexpr std::size_t kMovingBytes = 16 * kMiB;  // more than sockets hold

class MovingTree : public ServerTest {
 protected:
  void expect_finished_as_begun(const std::string& what, const std::function<void()>& change,
                                int status_afterwards) {
    SCOPED_TRACE(what);
    HttpClient client = connect({.receive_buffer_bytes = 65536});
    client.send(request("GET", "/docs/large"));
    const Response head = client.read_head();
    ASSERT_EQ(head.status, 200);
    ASSERT_EQ(head.content_length(), kMovingBytes);
    std::string body = client.read_exactly(kMiB);
    change();
    wait_for_status("/docs/large", status_afterwards);
    body += client.read_exactly(kMovingBytes - kMiB);
    EXPECT_TRUE(same_bytes(body, TempTree::expected("docs/large", 0, kMovingBytes)));
    EXPECT_EQ(client.get("/absent").status, 404) << "bytes behind the body";
  }

  void wait_for_status(const std::string& target, int status) {
    const Deadline deadline;
    HttpClient client = connect();
    while (client.exchange("HEAD", target).status != status) {
      ASSERT_FALSE(deadline.passed()) << target << " never became " << status;
    }
  }

  // As at first, by names and files that are all new.
  void restore() {
    std::filesystem::remove_all(tree().path("docs"));
    tree().fill("docs/large", kMovingBytes);
    wait_for_status("/docs/large", 200);
  }

  void move(const std::string& from, const std::string& to) {
    std::filesystem::rename(tree().path(from), tree().path(to));
  }
};

TEST_F(MovingTree, whatever_becomes_of_a_file_its_response_is_finished) {
  tree().fill("docs/large", kMovingBytes);
  ServerSpec spec;
  spec.options = {"--threads", "1"};
  spec.setup = obeying_file_modes();
  serve_as(spec);
  expect_finished_as_begun(
      "removed", [&] { tree().remove("docs/large"); }, 404);
  restore();
  expect_finished_as_begun(
      "unreadable", [&] { tree().mode("docs/large", 0); }, 403);
  restore();
  expect_finished_as_begun(
      "its directory closed to us", [&] { tree().mode("docs", 0); }, 403);
  tree().mode("docs", 0755);
  restore();
  expect_finished_as_begun(
      "its directory renamed", [&] { move("docs", "elsewhere"); }, 404);
  restore();
  expect_finished_as_begun(
      "its directory removed", [&] { std::filesystem::remove_all(tree().path("docs")); }, 404);
  restore();
  expect_finished_as_begun(
      "a directory in its place",
      [&] {
        tree().remove("docs/large");
        tree().directory("docs/large");
      },
      301);
  restore();
  expect_finished_as_begun(
      "a link out of the root in its place",
      [&] {
        tree().remove("docs/large");
        tree().link("docs/large", tree().outside("secret", "secret"));
      },
      403);
}

TEST_F(MovingTree, a_directory_replaced_in_the_middle_mixes_nothing) {
  tree().fill("docs/large", kMovingBytes);
  tree().write("next/large", "the new one");
  serve({"--threads", "1"});
  HttpClient client = connect({.receive_buffer_bytes = 65536});
  client.send(request("GET", "/docs/large"));
  ASSERT_EQ(client.read_head().content_length(), kMovingBytes);
  std::string body = client.read_exactly(kMiB);
  move("docs", "previous");
  move("next", "docs");
  const Deadline deadline;
  while (head("/docs/large").content_length() != 11) ASSERT_FALSE(deadline.passed());
  EXPECT_EQ(get("/docs/large").body, "the new one");
  body += client.read_exactly(kMovingBytes - kMiB);
  EXPECT_TRUE(same_bytes(body, TempTree::expected("docs/large", 0, kMovingBytes)));
}

// Many times more files than may be open, present and absent ones.
TEST_F(MovingTree, many_files_fill_no_table_beyond_its_bound) {
  constexpr std::size_t kDirectories = 200;
  constexpr std::size_t kFiles = 10;  // in each
  constexpr std::size_t kOpenFiles = 100;
  const std::size_t kRequests = scaled(40'000, 4'000);  // the second half for absent names
  constexpr std::size_t kGrowthBytesMax = 8 * kMiB;
  constexpr std::size_t kBatch = 100;
  const auto name = [](std::size_t i) { return fmt::format("{}/{}", i % kDirectories, i); };
  for (std::size_t i = 0; i < kDirectories * kFiles; ++i) tree().write(name(i), "body");
  serve({"--threads", "1", "--open-files", std::to_string(kOpenFiles), "--admin", "127.0.0.1:0"});
  HttpClient client = connect();
  ASSERT_EQ(client.get("/0/0").status, 200);
  const std::size_t resident_before = resident_bytes(server().pid());
  const std::size_t descriptors_before = open_descriptors(server().pid());
  for (std::size_t from = 0; from < kRequests; from += kBatch) {
    const bool present = from < kRequests / 2;
    std::string requests;
    for (std::size_t i = from; i < from + kBatch; ++i) {
      requests += request("GET", "/" + name(present ? i % (kDirectories * kFiles) : i));
    }
    client.send(requests);
    for (std::size_t i = from; i < from + kBatch; ++i) {
      ASSERT_EQ(client.read_response().status, present ? 200 : 404) << i;
    }
  }
  EXPECT_LE(open_descriptors(server().pid()), descriptors_before + kOpenFiles + 2);
  EXPECT_LE(resident_bytes(server().pid()),
            resident_before + (is_sanitized() ? 8 : 1) * kGrowthBytesMax);
  const MetricsText metrics(HttpClient(server().admin()).get("/metrics").body);
  EXPECT_LE(metrics.value("ringserve_cached_files"), static_cast<double>(kOpenFiles));
  EXPECT_EQ(client.get("/0/0").body, "body");
}

}  // namespace
