// Small files that the server holds in memory. It takes them in only when they have not changed
// for a while. From there on they must be as right and as fresh as on disk.
#include <sys/stat.h>

#include <ctime>

#include "tests/support/server_test.h"

namespace {

using namespace support;

class MemoryTest : public ServerTest {
 protected:
  static constexpr std::array<std::size_t, 9> kSizes{1,    100,  4095,  4096, 4097,
                                                     6143, 6144, 65535, 65536};
  static std::string name(std::size_t size) { return "of-" + std::to_string(size); }

  void fill_all_sizes() {
    for (const std::size_t size : kSizes) tree().fill(name(size), size);
  }

  void serve_from_memory(std::vector<std::string> more = {}) {
    more.insert(more.end(), {"--cork", "none", "--threads", "1"});
    serve(std::move(more));
  }

  // Small parts of files are gathered as well, so the segments do not tell: the server takes a body
  // into memory with the first request after its file has been left alone for two seconds.
  void wait_until_in_memory(HttpClient& client, const std::string& file) {
    constexpr double kSettled_s = 2.1;
    constexpr int kPause_ms = 20;
    const Deadline deadline;
    while (age_s(file) < kSettled_s) {
      ASSERT_FALSE(deadline.passed()) << file << " is always young";
      EXPECT_FALSE(client.wait_readable_ms(kPause_ms));
    }
    // More than once: what was looked at just now is not looked at again at once.
    constexpr int kAnswers = 10;
    for (int i = 0; i < kAnswers; ++i) {
      ASSERT_EQ(client.get("/" + file).status, 200);
      EXPECT_FALSE(client.wait_readable_ms(kPause_ms));
    }
  }

  double age_s(const std::string& file) {
    struct stat facts {};
    timespec now{};
    EXPECT_EQ(::stat(tree().path(file).c_str(), &facts), 0);
    EXPECT_EQ(::clock_gettime(CLOCK_REALTIME, &now), 0);
    return static_cast<double>(now.tv_sec - facts.st_ctim.tv_sec) +
           static_cast<double>(now.tv_nsec - facts.st_ctim.tv_nsec) / 1e9;
  }

  // Every answer is the old state or the new one, and in the end the new one.
  void wait_until_seen(HttpClient& client, const std::string& file, const std::string& old_body,
                       const std::string& new_body, const Deadline& deadline = Deadline()) {
    std::string body;
    while ((body = client.get("/" + file).body) != new_body) {
      ASSERT_TRUE(same_bytes(body, old_body));
      ASSERT_FALSE(deadline.passed()) << "the new state was never served";
    }
  }
};

TEST_F(MemoryTest, a_file_in_memory_is_one_gathered_send) {
  tree().fill("small", 1024);
  serve_from_memory();
  HttpClient client = connect();
  wait_until_in_memory(client, "small");
  const std::uint64_t before = client.tcp_facts().data_segments_in;
  for (int i = 0; i < 10; ++i) expect_file(client, "small", 1024);
  // Twenty when head and body leave apart; a few more than ten when acknowledgements are late and
  // the kernel sends a segment again.
  EXPECT_LT(client.tcp_facts().data_segments_in - before, 15U);
}

TEST_F(MemoryTest, a_hundred_pipelined_answers_need_few_segments) {
  constexpr std::size_t kRequests = 100;
  std::string requests;
  for (std::size_t i = 0; i < kRequests; ++i) {
    tree().fill("file-" + std::to_string(i), 100);
    requests += request("GET", "/file-" + std::to_string(i));
  }
  serve_from_memory();
  HttpClient client = connect();
  wait_until_in_memory(client, "file-99");
  std::uint64_t before = 0;
  for (int round = 0; round < 2; ++round) {  // the first one takes the others in
    before = client.tcp_facts().data_segments_in;
    client.send(requests);
    for (std::size_t i = 0; i < kRequests; ++i) {
      const std::string file = "file-" + std::to_string(i);
      ASSERT_TRUE(same_bytes(client.read_response().body, TempTree::expected(file, 0, 100)));
    }
  }
  const std::uint64_t segments = client.tcp_facts().data_segments_in - before;
  RecordProperty("segments", std::to_string(segments));
  // A hundred when nothing is gathered; the requests arrive in one or two receive buffers.
  EXPECT_LE(segments, 20U);
}

TEST_F(MemoryTest, every_size_is_served_whole_in_parts_and_as_a_head) {
  fill_all_sizes();
  serve_from_memory();
  HttpClient client = connect();
  wait_until_in_memory(client, name(4096));
  for (int round = 0; round < 3; ++round) {
    for (const std::size_t size : kSizes) {
      expect_file(client, name(size), size);
      const Response last = client.get("/" + name(size), {{"Range", "bytes=-1"}});
      EXPECT_EQ(last.status, 206);
      EXPECT_EQ(last.body, TempTree::expected(name(size), size - 1, 1));
      const Response head = client.exchange("HEAD", "/" + name(size));
      EXPECT_EQ(head.content_length(), size);
      EXPECT_EQ(client.get("/" + name(size), {{"If-None-Match", head.header("ETag")}}).status, 304);
    }
  }
}

TEST_F(MemoryTest, pipelined_bodies_from_memory_and_from_disk_keep_their_order) {
  constexpr std::size_t kLarge = 300'000;
  fill_all_sizes();
  tree().fill(name(kLarge), kLarge);
  serve_from_memory();
  HttpClient client = connect({.receive_buffer_bytes = 16384});
  wait_until_in_memory(client, name(4096));
  std::vector<std::size_t> sizes;
  for (int round = 0; round < 10; ++round) {
    sizes.insert(sizes.end(), kSizes.begin(), kSizes.end());
    sizes.push_back(kLarge);
  }
  std::string requests;
  for (const std::size_t size : sizes) requests += request("GET", "/" + name(size));
  client.send(requests);
  for (const std::size_t size : sizes) {
    const Response response = client.read_response();
    ASSERT_TRUE(same_bytes(response.body, TempTree::expected(name(size), 0, size))) << size;
  }
}

TEST_F(MemoryTest, a_replaced_file_is_served_new) {
  tree().write("page", "old page");
  serve_from_memory();
  HttpClient client = connect();
  wait_until_in_memory(client, "page");
  tree().replace("page", "the new page");
  wait_until_seen(client, "page", "old page", "the new page");
}

TEST_F(MemoryTest, a_file_rewritten_in_place_is_served_new) {
  tree().write("page", "old page");
  serve_from_memory();
  HttpClient client = connect();
  wait_until_in_memory(client, "page");
  tree().append("page", " and more");
  wait_until_seen(client, "page", "old page", "old page and more");
  tree().cut("page", 3);
  wait_until_seen(client, "page", "old page and more", "old");
}

TEST_F(MemoryTest, a_file_rewritten_through_another_name_is_served_new) {
  tree().write("page", "old page");
  ASSERT_EQ(::link(tree().path("page").c_str(), tree().beside("other-name").c_str()), 0);
  serve_from_memory();
  HttpClient client = connect();
  wait_until_in_memory(client, "page");
  // A watch on the directory of the one name says nothing about the other.
  tree().outside("other-name", "new page");
  wait_until_seen(client, "page", "old page", "new page");
}

// The look that notices everything comes after 10 s: what must not wait for it.
constexpr int kNoticed_s = 6;

TEST_F(MemoryTest, a_file_rewritten_through_a_name_made_later_is_served_new) {
  tree().write("page", "old page");
  serve_from_memory();
  HttpClient client = connect();
  wait_until_in_memory(client, "page");
  ASSERT_EQ(::link(tree().path("page").c_str(), tree().beside("later-name").c_str()), 0);
  tree().outside("later-name", "new page");
  wait_until_seen(client, "page", "old page", "new page", Deadline(kNoticed_s));
}

// The cached descriptor of the second file holds the removed directory, which therefore does not
// say that it is gone.
TEST_F(MemoryTest, a_directory_made_anew_is_watched_anew) {
  tree().write("d/page", "first");
  tree().write("d/other", std::string(20'000, 'o'));
  serve_from_memory();
  HttpClient client = connect();
  wait_until_in_memory(client, "d/page");
  ASSERT_EQ(client.get("/d/other").status, 200);
  tree().remove("d/page");
  tree().remove("d/other");
  tree().remove("d");
  tree().write("d/page", "second");
  const Deadline deadline;
  while (client.get("/d/page").body != "second") ASSERT_FALSE(deadline.passed());
  wait_until_in_memory(client, "d/page");
  tree().replace("d/page", "third");
  wait_until_seen(client, "d/page", "second", "third", Deadline(kNoticed_s));
}

TEST_F(MemoryTest, a_removed_file_is_gone) {
  tree().write("page", "page");
  serve_from_memory();
  HttpClient client = connect();
  wait_until_in_memory(client, "page");
  tree().remove("page");
  const Deadline deadline;
  while (client.get("/page").status != 404) ASSERT_FALSE(deadline.passed());
}

TEST_F(MemoryTest, a_slow_reader_gets_the_state_it_was_promised) {
  constexpr std::size_t kSize = 6'000;  // the most that is held in memory is 6 KiB
  tree().fill("page", kSize);
  serve_from_memory();
  HttpClient client = connect();
  wait_until_in_memory(client, "page");
  HttpClient slow = connect({.receive_buffer_bytes = 4096});
  constexpr int kPipelined = 900;
  std::string requests;
  for (int i = 0; i < kPipelined; ++i) requests += request("GET", "/page");
  slow.send(requests);
  ASSERT_EQ(slow.read_head().content_length(), kSize);
  tree().replace("page", "new");
  wait_until_seen(client, "page", TempTree::expected("page", 0, kSize), "new");
  EXPECT_TRUE(same_bytes(slow.read_exactly(kSize), TempTree::expected("page", 0, kSize)));
  for (int i = 1; i < kPipelined; ++i) {
    const Response response = slow.read_response();
    const bool is_old = response.body.size() == kSize;
    ASSERT_TRUE(same_bytes(response.body,
                           is_old ? TempTree::expected("page", 0, kSize) : std::string("new")));
  }
}

TEST_F(MemoryTest, more_files_than_memory_are_all_served) {
  constexpr std::size_t kFiles = 100;
  const auto file = [](std::size_t i) { return "file-" + std::to_string(i); };
  for (std::size_t i = 0; i < kFiles; ++i) tree().fill(file(i), 5000 + i);
  serve_from_memory({"--memory-cache", "64KiB"});
  HttpClient client = connect();
  wait_until_in_memory(client, file(kFiles - 1));
  for (std::size_t i = 0; i < 5 * kFiles; ++i) {
    const std::size_t which = i * 37 % kFiles;
    expect_file(client, file(which), 5000 + which);
  }
}

}  // namespace
