// Limits of the process that are lower than what was asked for, and kernel services that are
// refused while the rest works.
#include <sys/syscall.h>

#include <cerrno>

#include "tests/support/server_test.h"

namespace {

using namespace support;

class LimitFaults : public ServerTest {
 protected:
  void expect_refused_start(std::vector<std::string> options, unsigned limit) {
    options.insert(options.end(), {"--listen", "127.0.0.1:0", tree().root()});
    const Finished run = run_ringserve(options, with_open_files_limit(limit, limit));
    EXPECT_EQ(run.status, (ExitStatus{1, 0})) << run.err;
    EXPECT_NE(run.err.find("ringserve: error: "), std::string::npos) << run.err;
    EXPECT_NE(run.err.find("RLIMIT_NOFILE"), std::string::npos) << run.err;
    EXPECT_NE(run.err.find(std::to_string(limit)), std::string::npos) << run.err;
  }
};

TEST_F(LimitFaults, more_connections_and_files_than_descriptors_are_refused) {
  expect_refused_start({"--max-connections", "100000", "--open-files", "100000"}, 1024);
}

TEST_F(LimitFaults, more_connections_than_descriptors_are_refused) {
  expect_refused_start({"--max-connections", "100000"}, 4096);
}

TEST_F(LimitFaults, more_files_than_descriptors_are_refused) {
  expect_refused_start({"--open-files", "100000"}, 4096);
}

TEST_F(LimitFaults, a_limit_too_low_for_anything_is_refused) { expect_refused_start({}, 8); }

TEST_F(LimitFaults, the_soft_limit_is_raised_to_the_hard_one) {
  tree().fill("page", 1000);
  ServerSpec spec;
  spec.options = {"--threads", "1", "--max-connections", "300", "--open-files", "50"};
  spec.setup = with_open_files_limit(64, 1024);
  serve_as(spec);
  std::vector<HttpClient> clients;
  for (int i = 0; i < 250; ++i) clients.push_back(connect());
  for (HttpClient& client : clients) expect_file(client, "page", 1000);
}

// Without inotify files are looked at again: a replacement is still seen.
TEST_F(LimitFaults, without_inotify_a_replaced_file_is_still_seen) {
  tree().write("page", "old page");
  ServerSpec spec;
  spec.setup = forbidding(SYS_inotify_init1, EMFILE);
  serve_as(spec);
  HttpClient client = connect();
  EXPECT_EQ(client.get("/page").body, "old page");
  tree().replace("page", "the new page");
  const Deadline deadline;
  std::string body;
  while ((body = client.get("/page").body) != "the new page") {
    ASSERT_EQ(body, "old page");
    ASSERT_FALSE(deadline.passed()) << "the new file was never served";
  }
}

TEST_F(LimitFaults, without_inotify_watches_a_replaced_file_is_still_seen) {
  tree().write("a/b/page", "old page");
  ServerSpec spec;
  spec.setup = forbidding(SYS_inotify_add_watch, ENOSPC);
  serve_as(spec);
  HttpClient client = connect();
  EXPECT_EQ(client.get("/a/b/page").body, "old page");
  tree().replace("a/b/page", "the new page");
  const Deadline deadline;
  std::string body;
  while ((body = client.get("/a/b/page").body) != "the new page") {
    ASSERT_EQ(body, "old page");
    ASSERT_FALSE(deadline.passed()) << "the new file was never served";
  }
}

}  // namespace
