// A disk that does not answer stalls nobody who does not need it: whatever the server waits for, a
// read, a name, a directory, a file's closing, others are served meanwhile, and who waited is
// served when the disk answers. The disk is the test's own, so that no time is measured.
#include <algorithm>
#include <memory>
#include <vector>

#include "tests/support/held_disk.h"
#include "tests/support/metrics_text.h"
#include "tests/support/server_test.h"

namespace {

using namespace support;
using Call = HeldDisk::Call;

constexpr std::size_t kHotBytes = 1024;
constexpr std::size_t kWindowBytes = 512 * 1024;
constexpr int kHotRequests = 100;

class ColdFiles : public ServerTest {
 protected:
  void SetUp() override {
    std::string why_not;
    disk_ = HeldDisk::mount(why_not);
    if (disk_ == nullptr) GTEST_SKIP() << why_not;
    disk().fill("hot", kHotBytes);
  }
  void TearDown() override {
    if (disk_ == nullptr) return;
    disk().release_all();
    ServerTest::TearDown();
  }

  HeldDisk& disk() { return *disk_; }

  // The hot file is on the machine's own file system, which tells what it has in memory; FUSE does
  // not, so that who asks for a file of it again stands in line with the others now and then.
  void serve_disk_beside_the_hot_file() {
    tree().fill("hot", kHotBytes);
    tree().link("disk", disk().root());
    serve({"--threads", "1", "--follow-symlinks", "always"});
    hot_ = std::make_unique<HttpClient>(server().endpoint());
    expect_file(*hot_, "hot", kHotBytes);
  }

  // One worker: what stalls it stalls all.
  void serve_disk(std::vector<std::string> options = {}) {
    ServerSpec spec;
    spec.root = disk().root();
    spec.options = std::move(options);
    spec.options.insert(spec.options.end(), {"--threads", "1"});
    serve_as(spec);
    hot_ = std::make_unique<HttpClient>(server().endpoint());
    expect_file(*hot_, "hot", kHotBytes);
  }

  void expect_others_are_served() {
    for (int i = 0; i < kHotRequests && !HasFailure(); ++i) {
      expect_file(*hot_, "hot", kHotBytes);
    }
    expect_file("hot", kHotBytes);
  }

  // So long that the server has opened the hot file anew, to see whether it is the same.
  void expect_others_are_looked_at_again() {
    const std::size_t before = disk().count(Call::open, "hot");
    const Deadline deadline;
    while (disk().count(Call::open, "hot") == before && !HasFailure()) {
      expect_file(*hot_, "hot", kHotBytes);
      ASSERT_FALSE(deadline.passed());
    }
  }

  HttpClient ask(const std::string& path, const Headers& headers = {}) {
    HttpClient client = connect();
    client.send(request("GET", "/" + path, headers));
    return client;
  }

  static void expect_body(HttpClient& client, const std::string& path, std::size_t size,
                          int status = 200) {
    const Response response = client.read_response();
    EXPECT_EQ(response.status, status);
    EXPECT_TRUE(same_bytes(response.body, TempTree::expected(path, 0, size))) << path;
  }

  // The administrator's side reads the counters now and then.
  void expect_disk_errors(double count) {
    const Deadline deadline;
    for (;;) {
      const MetricsText now(HttpClient(server().admin()).get("/metrics").body);
      if (now.value("ringserve_disk_errors_total") == count) return;
      ASSERT_FALSE(deadline.passed()) << now.value("ringserve_disk_errors_total");
    }
  }

  std::unique_ptr<HeldDisk> disk_;
  std::unique_ptr<HttpClient> hot_;
};

// --- bodies ---

TEST_F(ColdFiles, a_body_that_waits_for_the_disk_stalls_nobody) {
  for (const std::size_t size : {std::size_t{100}, std::size_t{100'000}, 5 * kWindowBytes}) {
    disk().fill(std::to_string(size), size);
  }
  serve_disk();
  for (const std::size_t size : {std::size_t{100}, std::size_t{100'000}, 5 * kWindowBytes}) {
    const std::string name = std::to_string(size);
    disk().hold(Call::read, name);
    HttpClient cold = ask(name);
    ASSERT_TRUE(disk().wait_until_held(Call::read, name)) << name;
    expect_others_are_served();
    if (size == 100) expect_others_are_looked_at_again();
    EXPECT_FALSE(cold.readable()) << name;
    disk().release(Call::read, name);
    expect_body(cold, name, size);
  }
}

TEST_F(ColdFiles, the_second_who_asks_for_a_cold_file_waits_as_little_for_it) {
  disk().fill("cold", 100'000);
  serve_disk();
  disk().hold(Call::read, "cold");
  HttpClient first = ask("cold");
  ASSERT_TRUE(disk().wait_until_held(Call::read, "cold"));
  HttpClient second = ask("cold");  // its pages are in the page cache, but not read yet
  expect_others_are_served();
  disk().release(Call::read, "cold");
  expect_body(first, "cold", 100'000);
  expect_body(second, "cold", 100'000);
}

TEST_F(ColdFiles, parts_and_ranges_wait_like_whole_bodies) {
  disk().fill("cold", 4 * kWindowBytes);
  serve_disk();
  disk().hold(Call::read, "cold");
  HttpClient range = ask("cold", {{"Range", "bytes=1000000-1500000"}});
  HttpClient parts = ask("cold", {{"Range", "bytes=0-9,700000-799999"}});
  ASSERT_TRUE(disk().wait_until_held(Call::read, "cold", 2));
  expect_others_are_served();
  disk().release(Call::read, "cold");
  const Response one = range.read_response();
  EXPECT_EQ(one.status, 206);
  EXPECT_TRUE(same_bytes(one.body, TempTree::expected("cold", 1'000'000, 500'001)));
  const Response several = parts.read_response();
  EXPECT_EQ(several.status, 206);
  EXPECT_NE(several.body.find(TempTree::expected("cold", 700'000, 100'000)), std::string::npos);
}

// Each reads one window, of one call, at a time.
TEST_F(ColdFiles, too_many_readers_wait_in_line_and_others_are_served) {
  constexpr std::size_t kReaders = 48;
  constexpr std::size_t kReadersMax = 4;  // send::kDiskReadersMax
  constexpr std::size_t kSize = 50'000;
  for (std::size_t i = 0; i < kReaders; ++i) {
    disk().fill("cold/" + std::to_string(i), kSize);
    disk().hold(Call::read, "cold/" + std::to_string(i));
  }
  serve_disk_beside_the_hot_file();
  std::vector<HttpClient> clients;
  for (std::size_t i = 0; i < kReaders; ++i) {
    clients.push_back(ask("disk/cold/" + std::to_string(i)));
  }
  const Deadline deadline;
  while (disk().held(Call::read) < kReadersMax) ASSERT_FALSE(deadline.passed());
  expect_others_are_served();
  // All are in line now, for the server has opened their files; yet it opens others.
  for (std::size_t i = 0; i < kReaders; ++i) {
    while (disk().count(Call::open, "cold/" + std::to_string(i)) == 0) {
      ASSERT_FALSE(deadline.passed());
    }
  }
  EXPECT_EQ(status_of("/disk/absent"), 404);
  EXPECT_EQ(disk().held(Call::read), kReadersMax);
  disk().release_all();
  for (std::size_t i = 0; i < kReaders; ++i) {
    expect_body(clients[i], "cold/" + std::to_string(i), kSize);
  }
  EXPECT_LE(disk().most_held(Call::read), kReadersMax);
}

TEST_F(ColdFiles, who_leaves_the_line_or_a_read_gives_its_place_to_the_next) {
  constexpr std::size_t kReaders = 40;
  for (std::size_t i = 0; i < kReaders; ++i) disk().fill("cold/" + std::to_string(i), 1000);
  disk().fill("last", 1000);
  serve_disk_beside_the_hot_file();
  const std::size_t sockets_before = open_sockets(server().pid());
  for (std::size_t i = 0; i < kReaders; ++i) disk().hold(Call::read, "cold/" + std::to_string(i));
  {
    std::vector<HttpClient> clients;
    for (std::size_t i = 0; i < kReaders; ++i) {
      clients.push_back(ask("disk/cold/" + std::to_string(i)));
    }
    const Deadline deadline;
    for (std::size_t i = 0; i < kReaders; ++i) {
      while (disk().count(Call::open, "cold/" + std::to_string(i)) == 0) {
        ASSERT_FALSE(deadline.passed());
      }
    }
    for (HttpClient& client : clients) client.cut();
  }
  HttpClient last = ask("disk/last");
  expect_others_are_served();
  disk().release_all();
  expect_body(last, "last", 1000);
  const Deadline deadline;
  // And the one of `last`.
  while (open_sockets(server().pid()) > sockets_before + 1) ASSERT_FALSE(deadline.passed());
}

// --- names ---

struct ColdName {
  const char* about;
  Call call;
  const char* held;  // the path
  const char* asked;
  const char* body;  // of which file
  int status = 200;
};
std::ostream& operator<<(std::ostream& out, const ColdName& name) { return out << name.about; }

class ColdNames : public ColdFiles, public ::testing::WithParamInterface<ColdName> {};

TEST_P(ColdNames, stall_nobody) {
  const ColdName& name = GetParam();
  disk().fill("page.css", 2000);
  disk().fill("page.css.gz", 500);
  disk().fill("docs/index.html", 700);
  disk().fill("docs/deep/page", 800);
  disk().fill("404.html", 300);
  disk().link("link", disk().root() + "/docs/deep/page");
  serve_disk({"--precompressed", "gzip", "--error-page", "404=/404.html"});
  disk().hold(name.call, name.held);
  HttpClient cold = ask(name.asked);
  ASSERT_TRUE(disk().wait_until_held(name.call, name.held));
  expect_others_are_served();
  disk().release(name.call, name.held);
  const auto size = [](const std::string& path) -> std::size_t {
    return path == "page.css"          ? 2000
           : path == "docs/index.html" ? 700
           : path == "404.html"        ? 300
                                       : 800;
  }(name.body);
  expect_body(cold, name.body, size, name.status);
}

INSTANTIATE_TEST_SUITE_P(
    cold, ColdNames,
    ::testing::Values(
        ColdName{"a_name", Call::lookup, "page.css", "page.css", "page.css"},
        ColdName{"a_directory_on_the_way", Call::lookup, "docs", "docs/deep/page",
                 "docs/deep/page"},
        ColdName{"the_opening", Call::open, "page.css", "page.css", "page.css"},
        ColdName{"an_index_file", Call::lookup, "docs/index.html", "docs/", "docs/index.html"},
        ColdName{"a_neighbour_in_another_coding", Call::lookup, "page.css.gz", "page.css",
                 "page.css"},
        ColdName{"an_absent_name", Call::lookup, "absent", "absent", "404.html", 404},
        ColdName{"the_page_of_an_error", Call::lookup, "404.html", "absent", "404.html", 404},
        ColdName{"the_body_of_the_page_of_an_error", Call::read, "404.html", "absent", "404.html",
                 404},
        ColdName{"a_link", Call::readlink, "link", "link", "docs/deep/page"},
        ColdName{"what_an_absolute_link_leads_to", Call::lookup, "docs/deep/page", "link",
                 "docs/deep/page"}),
    [](const auto& one) { return std::string(one.param.about); });

TEST_F(ColdFiles, a_directory_that_is_being_listed_stalls_nobody) {
  disk().fill("docs/page", 10);
  serve_disk({"--autoindex", "on"});
  disk().hold(Call::readdir, "docs");
  HttpClient cold = ask("docs/");
  ASSERT_TRUE(disk().wait_until_held(Call::readdir, "docs"));
  expect_others_are_served();
  disk().release(Call::readdir, "docs");
  EXPECT_NE(cold.read_response().body.find("page"), std::string::npos);
}

// On a file system whose facts have to be asked for, they are not: the path is opened anew instead.
TEST_F(ColdFiles, facts_that_have_to_be_asked_for_stall_nobody) {
  disk().fill("stale", 1000);
  disk().forget_facts("stale");
  serve_disk();
  expect_file("stale", 1000);
  disk().hold(Call::getattr, "stale");
  expect_file("stale", 1000);
  expect_others_are_served();
  EXPECT_EQ(disk().held(Call::getattr), 0U);
}

// close(2) waits, too, where the file system wants to hear of it.
TEST_F(ColdFiles, a_closing_that_waits_stalls_nobody) {
  constexpr int kFiles = 20;  // more than the cache may hold
  for (int i = 0; i < kFiles; ++i) disk().fill(std::to_string(i), 1000);
  serve_disk({"--open-files", "8"});
  expect_file("0", 1000);
  disk().hold(Call::flush, "0");
  for (int i = 1; i < kFiles; ++i) expect_file(std::to_string(i), 1000);
  ASSERT_TRUE(disk().wait_until_held(Call::flush, "0"));
  expect_others_are_served();
}

// --- errors ---

TEST_F(ColdFiles, a_read_error_in_the_middle_resets_that_connection_alone) {
  constexpr std::size_t kSize = 8 * kWindowBytes;
  constexpr std::size_t kGood = 3 * kWindowBytes;
  disk().fill("broken\x1b", kSize);
  disk().fill("whole", kSize);
  disk().fail_reads_from("broken\x1b", kGood, EIO);
  serve_disk({"--admin", "127.0.0.1:0"});
  HttpClient whole = ask("whole");
  HttpClient broken = ask("broken%1b");
  const Response head = broken.read_head();
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.content_length(), kSize);
  const Remainder rest = broken.read_to_end();
  EXPECT_EQ(rest.ending, Ending::kReset);
  EXPECT_LE(rest.bytes.size(), kGood);
  EXPECT_TRUE(same_bytes(rest.bytes, TempTree::expected("broken\x1b", 0, rest.bytes.size())));
  EXPECT_TRUE(server().wait_for_log("EIO"));
  EXPECT_EQ(count_lines_with(server().log(), {"disk error", "broken\\x1B", "EIO"}), 1U);
  expect_body(whole, "whole", kSize);
  expect_others_are_served();
  expect_disk_errors(1);
}

TEST_F(ColdFiles, an_error_of_the_disk_while_opening_is_500) {
  disk().fill("broken", 1000);
  disk().fail(Call::lookup, "broken", EIO);
  serve_disk({"--admin", "127.0.0.1:0"});
  EXPECT_EQ(status_of("/broken"), 500);
  EXPECT_TRUE(server().wait_for_log("EIO"));
  EXPECT_EQ(count_lines_with(server().log(), {"disk error", "broken", "EIO"}), 1U);
  expect_disk_errors(1);
  expect_others_are_served();
}

}  // namespace
