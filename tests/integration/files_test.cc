// Files that change, grow, shrink, vanish or are no files. What is sent is always one state of
// one file, and nothing in the tree can stop a worker.
#include "tests/support/server_test.h"

namespace {

using namespace support;

// Each worker sees a change at a moment of its own: a test waits for it on one connection, or
// asks a single worker.
class FilesTest : public ServerTest {
 protected:
  // Asks again and again until the answer is the expected one; every answer on the way must
  // be one of the two states, never a mixture.
  void wait_until_seen(const std::string& target, const std::string& old_body,
                       const std::string& new_body) {
    const Deadline deadline;
    HttpClient client = connect();
    for (;;) {
      const Response response = client.get(target);
      ASSERT_EQ(response.status, 200);
      if (response.body == new_body) return;
      ASSERT_TRUE(same_bytes(response.body, old_body)) << "neither the old nor the new state";
      ASSERT_FALSE(deadline.passed()) << "the new file was never served";
    }
  }

  void wait_for_status(const std::string& target, int status) {
    const Deadline deadline;
    HttpClient client = connect();
    while (client.get(target).status != status) {
      ASSERT_FALSE(deadline.passed()) << target << " never became " << status;
    }
  }

  ServerSpec as_one_whom_modes_bind() {
    ServerSpec spec;
    spec.setup = obeying_file_modes();
    return spec;
  }
};

TEST_F(FilesTest, a_file_replaced_by_rename_is_served_new) {
  tree().write("page", "old page");
  serve({"--threads", "1"});
  EXPECT_EQ(get("/page").body, "old page");
  const std::string old_etag = head("/page").header("ETag");
  tree().replace("page", "the new page");
  wait_until_seen("/page", "old page", "the new page");
  EXPECT_NE(head("/page").header("ETag"), old_etag);
}

TEST_F(FilesTest, a_replacement_of_equal_size_and_time_is_served_new) {
  tree().write("page", "state one");
  tree().modified_at("page", 1'600'000'000);
  serve();
  EXPECT_EQ(get("/page").body, "state one");
  tree().write("next", "state two");
  tree().modified_at("next", 1'600'000'000);
  std::rename(tree().path("next").c_str(), tree().path("page").c_str());
  wait_until_seen("/page", "state one", "state two");
}

TEST_F(FilesTest, many_replacements_never_mix_head_and_body) {
  const auto state = [](int i) { return content(seed_of("state"), 0, 1000 + 37U * (i % 50U)); };
  tree().write("page", state(0));
  serve();
  HttpClient client = connect();
  for (int i = 0; i < static_cast<int>(scaled(400, 100)); ++i) {
    tree().replace("page", state(i));
    const Response response = client.get("/page");
    ASSERT_EQ(response.status, 200);
    // Every state is a prefix of one stream: a body of another length than its head says would
    // have broken the connection, one of another state would differ from this.
    ASSERT_TRUE(same_bytes(response.body, content(seed_of("state"), 0, response.body.size())));
  }
}

TEST_F(FilesTest, a_replaced_large_file_is_finished_as_it_was_begun) {
  constexpr std::size_t kSize = 32 * kMiB;
  tree().fill("large", kSize);
  serve();
  HttpClient client = connect({.receive_buffer_bytes = 65536});
  client.send(request("GET", "/large"));
  const Response head = client.read_head();
  ASSERT_EQ(head.content_length(), kSize);
  std::string body = client.read_exactly(kMiB);
  tree().replace("large", "small now");
  body += client.read_exactly(kSize - kMiB);
  EXPECT_TRUE(same_bytes(body, TempTree::expected("large", 0, kSize)));
  wait_until_seen("/large", body, "small now");
}

TEST_F(FilesTest, a_file_that_grows_is_sent_at_the_size_it_had) {
  constexpr std::size_t kSize = 32 * kMiB;
  tree().fill("log", kSize);
  serve();
  HttpClient client = connect({.receive_buffer_bytes = 65536});
  client.send(request("GET", "/log"));
  ASSERT_EQ(client.read_head().content_length(), kSize);
  tree().append("log", "one more line\n");
  EXPECT_TRUE(same_bytes(client.read_exactly(kSize), TempTree::expected("log", 0, kSize)));
  EXPECT_EQ(client.get("/absent").status, 404) << "bytes behind the body";
}

TEST_F(FilesTest, growth_is_seen_by_later_requests) {
  tree().write("log", "one\n");
  serve();
  EXPECT_EQ(get("/log").body, "one\n");
  tree().append("log", "two\n");
  wait_until_seen("/log", "one\n", "one\ntwo\n");
}

TEST_F(FilesTest, a_removed_file_becomes_404_and_a_new_one_200) {
  tree().write("page", "page");
  serve();
  EXPECT_EQ(status_of("/page"), 200);
  EXPECT_EQ(status_of("/later"), 404);
  tree().remove("page");
  tree().write("later", "later");
  wait_for_status("/page", 404);
  wait_for_status("/later", 200);
}

TEST_F(FilesTest, a_replaced_directory_is_seen) {
  tree().write("site/page", "old");
  tree().write("next/page", "new");
  serve();
  EXPECT_EQ(get("/site/page").body, "old");
  std::rename(tree().path("site").c_str(), tree().path("previous").c_str());
  std::rename(tree().path("next").c_str(), tree().path("site").c_str());
  wait_until_seen("/site/page", "old", "new");
}

TEST_F(FilesTest, a_removed_directory_and_its_successor_are_seen) {
  tree().write("a/b/page", "old");
  serve({"--threads", "1"});
  EXPECT_EQ(get("/a/b/page").body, "old");
  tree().remove("a");
  wait_for_status("/a/b/page", 404);
  tree().write("a/b/page", "new");
  wait_for_status("/a/b/page", 200);
  EXPECT_EQ(get("/a/b/page").body, "new");
}

TEST_F(FilesTest, a_file_that_becomes_a_directory_redirects) {
  tree().write("thing", "file");
  serve({"--threads", "1"});
  EXPECT_EQ(status_of("/thing"), 200);
  tree().remove("thing");
  tree().write("thing/index.html", "index");
  wait_for_status("/thing", 301);
  EXPECT_EQ(get("/thing/").body, "index");
}

TEST_F(FilesTest, a_fifo_is_not_served_and_blocks_nobody) {
  tree().fifo("fifo");
  tree().write("index/page", "page");
  serve({"--threads", "2"});
  HttpClient client = connect();
  for (int i = 0; i < 50; ++i) {
    const int status = client.get("/fifo").status;
    ASSERT_TRUE(status == 404 || status == 403) << status;
  }
  EXPECT_EQ(get("/index/page").body, "page");
}

TEST_F(FilesTest, a_socket_is_not_served) {
  tree().socket("socket");
  serve();
  EXPECT_EQ(status_of("/socket"), 404);
  expect_alive();
}

TEST_F(FilesTest, a_device_is_not_served) {
  constexpr unsigned kMemoryDevices = 1;
  constexpr unsigned kZero = 5;
  tree().link("link-to-zero", "/dev/zero");
  const bool made = tree().character_device("zero", kMemoryDevices, kZero);
  serve({"--follow-symlinks", "always"});
  EXPECT_EQ(status_of("/link-to-zero"), 404);
  if (made) {
    EXPECT_EQ(status_of("/zero"), 404);
  }
  expect_alive();
}

TEST_F(FilesTest, a_directory_that_is_an_index_is_not_served) {
  tree().directory("odd/index.html");
  serve();
  const int status = status_of("/odd/");
  EXPECT_TRUE(status == 403 || status == 404 || status == 301) << status;
  expect_alive();
}

TEST_F(FilesTest, an_unreadable_file_is_403) {
  tree().write("closed", "secret");
  tree().mode("closed", 0);
  serve_as(as_one_whom_modes_bind());
  HttpClient client = connect();
  const Response response = client.get("/closed");
  EXPECT_EQ(response.status, 403);
  EXPECT_EQ(response.body.find("secret"), std::string::npos);
  EXPECT_EQ(client.exchange("HEAD", "/closed").status, 403);
  expect_connection_as_announced(client, response);
}

TEST_F(FilesTest, a_file_below_an_unreadable_directory_is_403) {
  tree().write("closed/file", "secret");
  tree().mode("closed", 0);
  serve_as(as_one_whom_modes_bind());
  EXPECT_EQ(status_of("/closed/file"), 403);
  EXPECT_EQ(status_of("/closed/absent"), 403);
  tree().mode("closed", 0755);
}

TEST_F(FilesTest, a_file_made_readable_is_served) {
  tree().write("page", "page");
  tree().mode("page", 0);
  serve_as(as_one_whom_modes_bind());
  EXPECT_EQ(status_of("/page"), 403);
  tree().mode("page", 0644);
  wait_for_status("/page", 200);
}

}  // namespace
