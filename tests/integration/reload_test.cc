// SIGHUP: the configuration is read again. A good one holds from the next request on, a bad one
// changes nothing, and no connection is lost either way.
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "tests/support/server_test.h"

namespace {

using namespace support;

class ReloadTest : public ServerTest {
 protected:
  void SetUp() override {
    tree().write("old/index.html", "old");
    tree().write("new/index.html", "new");
    tree().fill("old/large.bin", 8 << 20);
    config_ = tree().outside("ringserve.toml", site("old"));
    serve({"--config", config_});
  }

  // In a table of its own: ROOT of the command line wins over the top level.
  std::string site(const std::string& directory, const std::string& above = "") {
    return above + "[[site]]\nroot = \"" + tree().path(directory) + "\"\n";
  }
  // By rename: nobody ever sees half of it.
  void configure(const std::string& text) {
    const std::string next = tree().outside("next.toml", text);
    ASSERT_EQ(std::rename(next.c_str(), config_.c_str()), 0);
  }
  void reload_with(const std::string& text, const std::string& words) {
    configure(text);
    server().signal(SIGHUP);
    ASSERT_TRUE(server().wait_for_log(words)) << server().log();
  }

  std::string config_;
};

TEST_F(ReloadTest, the_next_request_on_an_old_connection_gets_the_new_site) {
  HttpClient client = connect();
  EXPECT_EQ(client.get("/").body, "old");
  reload_with(site("new", "header = [\"X-New: yes\"]\n"), "SIGHUP: ");
  // Each worker is told by a letter of its own.
  while (client.get("/").body != "new") {
  }
  EXPECT_EQ(client.get("/").header("X-New"), "yes");
}

TEST_F(ReloadTest, a_response_under_way_is_not_disturbed) {
  HttpClient client = connect();
  client.send(request("GET", "/large.bin"));
  const Response head = client.read_head();
  const std::string first = client.read_exactly(1000);
  reload_with(site("new"), "SIGHUP: ");
  EXPECT_EQ(first + client.read_exactly(head.content_length() - 1000),
            TempTree::expected("old/large.bin", 0, 8 << 20));
}

TEST_F(ReloadTest, a_bad_file_keeps_the_old_configuration_and_says_where) {
  HttpClient client = connect();
  reload_with("rot = \"/\"\n", "the running configuration stays");
  EXPECT_NE(server().log().find(":1:"), std::string::npos) << server().log();
  EXPECT_EQ(client.get("/").body, "old");
  reload_with("[[site]]\nroot = \"/nowhere/at/all\"\n", "/nowhere/at/all");
  EXPECT_EQ(client.get("/").body, "old");
  EXPECT_EQ(get("/").body, "old");
}

TEST_F(ReloadTest, what_needs_a_restart_is_named) {
  reload_with("threads = 3\n" + site("new"), "threads has changed");
}

TEST_F(ReloadTest, another_log_with_other_threads_is_the_same_threads_log) {
  const std::string log = tree().beside("access.log");
  reload_with("threads = 1\naccess-log = \"" + log + "\"\n" + site("old"), "threads has changed");
  for (int i = 0; i < 20; ++i) EXPECT_EQ(get("/").body, "old");
  stop();
  EXPECT_EQ(::access(log.c_str(), R_OK), 0);
}

TEST_F(ReloadTest, reloads_in_a_row_lose_nobody) {
  HttpClient client = connect();
  for (int i = 0; i < 20; ++i) {
    configure(site(i % 2 == 0 ? "new" : "old"));
    server().signal(SIGHUP);
    const Response response = client.get("/");
    EXPECT_EQ(response.status, 200);
    EXPECT_TRUE(response.body == "old" || response.body == "new") << response.body;
  }
}

TEST_F(ReloadTest, without_a_file_there_is_nothing_to_read) {
  stop();
  tree().write("index.html", "plain");
  serve();
  server().signal(SIGHUP);
  ASSERT_TRUE(server().wait_for_log("without --config"));
  EXPECT_EQ(get("/").body, "plain");
}

}  // namespace
