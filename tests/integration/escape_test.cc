// Ways out of the root: by the name that is asked for, in every spelling, and by links and
// directories that change places while they are followed. None of them leads out.
#include <fcntl.h>
#include <sys/stat.h>

#include <atomic>
#include <cstdio>
#include <map>
#include <thread>

#include "tests/support/server_test.h"

namespace {

using namespace support;

constexpr std::string_view kSecret = "the secret";
constexpr std::string_view kInside = "inside";

// --- names ---

class EscapeTest : public ServerTest {
 protected:
  void SetUp() override {
    tree().outside("secret", kSecret);
    tree().write("a/b/file", kInside);
    tree().write(".hidden/secret", kSecret);
    tree().write("a/.secret", kSecret);
    tree().write(".well-known/.secret", kSecret);
  }

  // On one connection as long as the server keeps it.
  void expect_nothing_found(const std::vector<std::string>& targets) {
    std::unique_ptr<HttpClient> client;
    for (const std::string& target : targets) {
      if (client == nullptr) client = std::make_unique<HttpClient>(server().endpoint());
      const Response response = client->get(target);
      EXPECT_TRUE(response.status == 400 || response.status == 404)
          << target << " -> " << response.status;
      EXPECT_EQ(response.body.find(kSecret), std::string::npos) << target;
      EXPECT_EQ(response.body.find("root:"), std::string::npos) << target;
      if (!response.keeps_alive()) client.reset();
    }
  }
};

TEST_F(EscapeTest, no_spelling_of_a_climb_leads_out) {
  serve();
  std::vector<std::string> targets;
  for (const char* begin : {"/", "//", "/./", "/%2e/", "/a/../", "/a/b/../../", "/a/%2e%2e/", "/\\",
                            "http://test/", "http://test//", "/absent/../", "/..;/", "/%20/"}) {
    for (const char* dots : {"..",
                             "%2e%2e",
                             ".%2E",
                             "%2E.",
                             "%252e%252e",
                             "%c0%ae%c0%ae",
                             "%e0%80%ae%e0%80%ae",
                             "%f0%80%80%ae.",
                             "..;",
                             "..;x=y",
                             "..%20",
                             "..%09",
                             "...",
                             "....",
                             "..%0a",
                             "..%ff",
                             "%uff0e%uff0e",
                             "%ef%bc%8e%ef%bc%8e",
                             "..%00",
                             "..:",
                             "..~"}) {
      for (const char* slash : {"/", "//", "/./", "%2f", "%2F", "%252f", "\\", "%5c", "%5C/",
                                "%255c", "%c0%af", "%c1%9c", "%e0%80%af", "%ef%bc%8f", ";/"}) {
        std::string climb = begin;
        for (int depth = 0; depth < 4; ++depth) {
          climb += std::string(dots) + slash;
          targets.push_back(climb + "secret");
        }
        targets.push_back(climb + "../../../../../etc/passwd");
      }
    }
  }
  expect_nothing_found(targets);
}

TEST_F(EscapeTest, a_climb_that_ends_below_the_root_went_nowhere) {
  serve();
  // The root is called "root": who climbs out and in again is out in between.
  expect_nothing_found({"/../root/a/b/file", "/%2e%2e/root/a/b/file", "/a/../../root/a/b/file",
                        "/../root", "/..", "/../", "/%2e%2e", "/a/../..", "/a/%2e%2e/%2E%2e/"});
  EXPECT_EQ(get("/a/../a/b/../b/file").body, kInside);
}

TEST_F(EscapeTest, an_absolute_name_is_a_name_below_the_root) {
  serve();
  std::vector<std::string> targets;
  for (const std::string& name :
       {tree().beside("secret"), tree().path("a/b/file"), std::string("/etc/passwd"),
        std::string("/proc/self/environ"), std::string("/proc/self/root/etc/passwd")}) {
    for (const char* begin : {"", "/", "//", "/.", "/%2f", "%2f", "/a/", "/file:", "/file://"}) {
      const std::string target = begin + name;
      targets.push_back(target.starts_with('/') ? target : "/" + target);
    }
  }
  expect_nothing_found(targets);
}

TEST_F(EscapeTest, no_spelling_of_a_hidden_name_shows_it) {
  serve();
  std::vector<std::string> targets;
  for (const char* begin : {"/", "//", "/./", "/a/../", "/a/b/../../", "/.well-known/../",
                            "/.well-known/./../", "http://test/", "/a//../", "/%2e/"}) {
    for (const char* name : {".hidden/secret",
                             "%2ehidden/secret",
                             "%2Ehidden//secret",
                             ".hidden/./secret",
                             ".hidden/../.hidden/secret",
                             "a/.secret",
                             "a/%2esecret",
                             "a//.secret",
                             "a/./.secret",
                             "a/b/../.secret",
                             "a/.secret?query",
                             "a/.secret#fragment",
                             "a/.secret/",
                             ".well-known/.secret",
                             ".well-known/../.hidden/secret",
                             ".well-known/%2esecret",
                             ".well-known//.secret",
                             ".well-knownx/../.hidden/secret",
                             ".hidden/",
                             ".hidden"}) {
      targets.push_back(std::string(begin) + name);
    }
  }
  expect_nothing_found(targets);
}

// --- links ---

const std::size_t kAttempts = scaled(100'000, 10'000);  // for each mode
constexpr std::size_t kBatch = 50;                      // pipelined

class LinkRaceTest : public ServerTest, public ::testing::WithParamInterface<const char*> {
 protected:
  static constexpr int kFiles = 40;  // more than the cache holds: each request is looked up anew

  void SetUp() override {
    for (int i = 0; i < kFiles; ++i) {
      const std::string name = std::to_string(i);
      tree().write("real/" + name, kInside);
      tree().write("directory/" + name, kInside);
      tree().write("deep/under/" + name, kInside);
      tree().link("moved/up" + name, "../above" + name);
      tree().write("above" + name, kInside);
      tree().outside(name, kSecret);
      tree().outside("above" + name, kSecret);
    }
    tree().write("file", kInside);
    tree().link("link", "real");
    tree().link("absolute", tree().path("real"));
    // What they change places with.
    tree().link("other-link", "..");
    tree().link("other-absolute", tree().beside(""));
    tree().link("other-directory", "..");
    tree().link("other-file", "../0");
    tree().link("other-under", tree().beside(""));
    ASSERT_EQ(::mkdir(tree().beside("elsewhere").c_str(), 0755), 0);
    swaps_ = {{"link", "other-link"},
              {"absolute", "other-absolute"},
              {"directory", "other-directory"},
              {"file", "other-file"},
              {"deep/under", "other-under"},
              // A directory with links that lead up leaves the root and comes back.
              {"moved", "../elsewhere"}};
  }

  void TearDown() override {
    stop_ = true;
    if (swapper_.joinable()) swapper_.join();
    ServerTest::TearDown();
  }

  void swap_all_the_time() {
    swapper_ = std::thread([this] {
      while (!stop_) {
        for (const auto& [a, b] : swaps_) {
          const std::string from = tree().path(a), to = tree().path(b);
          swapped_ +=
              ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) == 0;
        }
      }
    });
  }

  static std::vector<std::string> targets() {
    std::vector<std::string> targets;
    for (int i = 0; i < kFiles; ++i) {
      const std::string name = std::to_string(i);
      for (const char* directory :
           {"/link/", "/absolute/", "/directory/", "/deep/under/", "/moved/up"}) {
        targets.push_back(directory + name);
      }
      targets.emplace_back("/file");
    }
    return targets;
  }

  // How often each status came. What comes with 200 is never the secret.
  std::map<int, std::size_t> try_to_escape() {
    const std::vector<std::string> all = targets();
    std::map<int, std::size_t> statuses;
    HttpClient client = connect();
    for (std::size_t done = 0; done < kAttempts; done += kBatch) {
      std::string batch;
      for (std::size_t i = 0; i < kBatch; ++i) {
        batch += request("GET", all[(done + i) % all.size()]);
      }
      client.send(batch);
      for (std::size_t i = 0; i < kBatch; ++i) {
        const Response response = client.read_response();
        ++statuses[response.status];
        escapes_ += response.body.find(kSecret) != std::string::npos;
        EXPECT_TRUE(response.status != 200 || response.body == kInside)
            << all[(done + i) % all.size()] << ": " << response.body;
      }
      if (HasFailure()) break;
    }
    return statuses;
  }

  std::size_t escapes_ = 0;
  std::atomic<std::uint64_t> swapped_ = 0;

 private:
  std::vector<std::pair<std::string, std::string>> swaps_;
  std::atomic<bool> stop_ = false;
  std::thread swapper_;
};

TEST_P(LinkRaceTest, nothing_escapes_while_links_change_places) {
  serve({"--follow-symlinks", GetParam(), "--threads", "1", "--open-files", "1"});
  swap_all_the_time();
  const std::map<int, std::size_t> statuses = try_to_escape();
  EXPECT_EQ(escapes_, 0U);
  for (const auto& [status, count] : statuses) {
    EXPECT_TRUE(status == 200 || status == 403 || status == 404 || status == 301)
        << status << ": " << count;
  }
  // Both sides of the race were seen.
  EXPECT_GT(swapped_.load(), 1000U);
  EXPECT_GT(statuses.count(200) != 0 ? statuses.at(200) : 0, kAttempts / 100);
  EXPECT_LT(statuses.count(200) != 0 ? statuses.at(200) : 0, kAttempts * 99 / 100);
}

INSTANTIATE_TEST_SUITE_P(escape, LinkRaceTest, ::testing::Values("within", "never"),
                         [](const auto& each) { return std::string(each.param); });

}  // namespace
