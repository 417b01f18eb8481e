// The file system moves underneath a server that serves: mounts change, the root is replaced, files
// go while they are sent. What is sent is one state of one file, and the server serves on.
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tests/support/mounts.h"
#include "tests/support/server_test.h"

namespace {

using namespace support;

constexpr std::size_t kLargeBytes = 12 * kMiB;  // more than sockets hold
constexpr std::size_t kPageBytes = 1000;

class FileSystemTest : public ServerTest {
 protected:
  void SetUp() override {
    tree().fill("page", kPageBytes);
    tree().fill("large", kLargeBytes);
  }

  // In the middle of the large file: the rest is still the server's to send.
  HttpClient begin_download() {
    HttpClient client = connect({.receive_buffer_bytes = 65536});
    client.send(request("GET", "/large"));
    EXPECT_EQ(client.read_head().status, 200);
    EXPECT_TRUE(same_bytes(client.read_exactly(kMiB), TempTree::expected("large", 0, kMiB)));
    return client;
  }

  void expect_rest(HttpClient& client) {
    const std::size_t rest_bytes = kLargeBytes - kMiB;
    EXPECT_TRUE(
        same_bytes(client.read_exactly(rest_bytes), TempTree::expected("large", kMiB, rest_bytes)));
    expect_file(client, "page", kPageBytes);
  }

  // "/srv/www/page (deleted)"
  std::size_t descriptors_of_removed_files() {
    std::size_t count = 0;
    const std::string directory = "/proc/" + std::to_string(server().pid()) + "/fd";
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
      std::error_code closed_meanwhile;
      const std::string name = std::filesystem::read_symlink(entry, closed_meanwhile).string();
      count += name.starts_with(tree().root()) && name.ends_with(" (deleted)");
    }
    return count;
  }

  void wait_for_status(const std::string& target, int status) {
    const Deadline deadline;
    HttpClient client = connect();
    while (client.get(target).status != status) {
      ASSERT_FALSE(deadline.passed()) << target << " never became " << status;
    }
  }
};

class MountTest : public FileSystemTest {
 protected:
  void SetUp() override {
    if (!may_mount()) GTEST_SKIP() << "may not make mount namespaces (CAP_SYS_ADMIN)";
    FileSystemTest::SetUp();
  }

  void serve_own_mount() {
    ServerSpec spec{.root = "", .options = {"--threads", "1"}};
    spec.setup = with_own_mount_of(tree().root());
    serve_as(spec);
  }
};

TEST_F(MountTest, a_root_that_becomes_read_only_is_served_on) {
  serve_own_mount();
  expect_file("page", kPageBytes);
  HttpClient running = begin_download();
  const std::string root = tree().root();
  in_mounts_of(server().pid(), [&root] {
    const unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY;
    return ::mount(nullptr, root.c_str(), nullptr, flags, nullptr) == 0 ? 0 : errno;
  });
  expect_rest(running);
  tree().fill("new", kPageBytes);  // by the other way to it
  expect_file("new", kPageBytes);
}

// umount -l: nobody finds it by its name any more, but the server holds it open.
TEST_F(MountTest, a_root_that_is_unmounted_is_served_until_the_server_lets_go_of_it) {
  serve_own_mount();
  expect_file("page", kPageBytes);
  HttpClient running = begin_download();
  const std::string root = tree().root();
  in_mounts_of(server().pid(),
               [&root] { return ::umount2(root.c_str(), MNT_DETACH) == 0 ? 0 : errno; });
  expect_rest(running);
  expect_file("page", kPageBytes);
  tree().fill("new", kPageBytes);
  expect_file("new", kPageBytes);
}

TEST_F(MountTest, an_access_log_on_a_full_disk_costs_lines_and_comes_back) {
  constexpr unsigned kDiskKibibytes = 64;
  const std::string disk = tree().beside("disk");
  std::filesystem::create_directory(disk);
  ServerSpec spec{.root = "", .options = {"--threads", "1", "--access-log", disk + "/access.log"}};
  spec.setup = with_memory_mounted_at(disk, kDiskKibibytes);
  serve_as(spec);
  const std::string seen = "/proc/" + std::to_string(server().pid()) + "/root" + disk;
  std::ofstream(seen + "/ballast") << std::string(std::size_t{kDiskKibibytes} * 1024, 'b');
  HttpClient client = connect();
  for (int i = 0; i < 100; ++i) expect_file(client, "page", kPageBytes);
  ASSERT_TRUE(server().wait_for_log("ENOSPC"));
  expect_file(client, "page", kPageBytes);
  std::filesystem::remove(seen + "/ballast");
  EXPECT_TRUE(server().wait_for_log("it is written again"));
  expect_file(client, "page", kPageBytes);

  const Deadline deadline;
  std::string lines;
  while (count_lines_with(lines, {"GET /page", " 200 "}) < 102) {
    ASSERT_FALSE(deadline.passed()) << lines;
    std::ifstream log(seen + "/access.log");
    lines.assign(std::istreambuf_iterator<char>(log), {});
  }
}

class RootTest : public FileSystemTest {
 protected:
  void serve_by_configuration() {
    const std::string text = "[[site]]\nroot = \"" + tree().path("site") + "\"\n";
    tree().write("site/page", "old page");
    serve({"--threads", "1", "--config", tree().outside("ringserve.toml", text)});
    EXPECT_EQ(get("/page").body, "old page");
  }
  void put_new_root() {
    std::filesystem::rename(tree().path("site"), tree().path("old"));
    tree().write("site/page", "new page");
  }
};

// The root is what it was when the server opened it, wherever it goes, until SIGHUP.
TEST_F(RootTest, a_replaced_root_is_served_from_the_next_reload_on) {
  serve_by_configuration();
  put_new_root();
  EXPECT_EQ(get("/page").body, "old page");
  tree().write("old/later", "in the old one");
  EXPECT_EQ(get("/later").body, "in the old one");
  server().signal(SIGHUP);
  const Deadline deadline;
  while (get("/page").body != "new page") ASSERT_FALSE(deadline.passed());
  EXPECT_EQ(status_of("/later"), 404);
}

TEST_F(RootTest, a_removed_root_is_404_and_a_reload_without_one_changes_nothing) {
  serve_by_configuration();
  std::filesystem::remove_all(tree().path("site"));
  wait_for_status("/page", 404);
  server().signal(SIGHUP);
  EXPECT_TRUE(server().wait_for_log("the running configuration stays"));
  EXPECT_EQ(status_of("/page"), 404);
  tree().write("site/page", "new page");
  server().signal(SIGHUP);
  wait_for_status("/page", 200);
}

TEST_F(FileSystemTest, files_of_a_site_may_go_while_they_are_sent) {
  serve({"--threads", "1"});
  expect_file("page", kPageBytes);
  {
    std::vector<HttpClient> running;
    for (int i = 0; i < 4; ++i) running.push_back(begin_download());
    for (const char* name : {"page", "large"}) tree().remove(name);
    EXPECT_GT(descriptors_of_removed_files(), 0U);
    for (HttpClient& client : running) {
      const std::size_t rest_bytes = kLargeBytes - kMiB;
      EXPECT_TRUE(same_bytes(client.read_exactly(rest_bytes),
                             TempTree::expected("large", kMiB, rest_bytes)));
    }
    wait_for_status("/large", 404);
    wait_for_status("/page", 404);
  }
  // Nothing holds the space of a file that is gone.
  const Deadline deadline;
  while (descriptors_of_removed_files() > 0) {
    ASSERT_FALSE(deadline.passed()) << "descriptors of removed files are still open";
  }
}

TEST_F(FileSystemTest, a_directory_replaced_in_the_middle_of_a_response_changes_the_next_one) {
  tree().fill("site/large", kLargeBytes);
  tree().write("next/large", "another file");
  serve({"--threads", "1"});
  HttpClient client = connect({.receive_buffer_bytes = 65536});
  client.send(request("GET", "/site/large"));
  EXPECT_EQ(client.read_head().status, 200);
  std::string body = client.read_exactly(kMiB);
  std::filesystem::rename(tree().path("site"), tree().path("gone"));
  std::filesystem::rename(tree().path("next"), tree().path("site"));
  const Deadline deadline;
  while (get("/site/large").body != "another file") ASSERT_FALSE(deadline.passed());
  body += client.read_exactly(kLargeBytes - kMiB);
  EXPECT_TRUE(same_bytes(body, TempTree::expected("site/large", 0, kLargeBytes)));
}

TEST_F(FileSystemTest, a_file_made_unreadable_is_403_from_then_on_and_what_is_sent_is_finished) {
  ServerSpec spec{.root = "", .options = {"--threads", "1"}};
  spec.setup = obeying_file_modes();
  serve_as(spec);
  HttpClient running = begin_download();
  tree().mode("large", 0);
  wait_for_status("/large", 403);
  expect_rest(running);
  tree().mode("large", 0644);
  wait_for_status("/large", 200);
}

}  // namespace
