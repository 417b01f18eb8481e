// Symbolic links. By default one is followed while it stays below the root, wherever it is
// written; `never` and `always` mean what they say.
#include "tests/support/server_test.h"

namespace {

using namespace support;

class LinksTest : public ServerTest {
 protected:
  void SetUp() override {
    tree().write("real/file.txt", "inside");
    const std::string secret = tree().outside("secret.txt", "secret");
    tree().link("relative", "real/file.txt");
    tree().link("real/up", "../real/file.txt");
    tree().link("directory", "real");
    tree().link("absolute-below", tree().path("real/file.txt"));
    tree().link("absolute-directory-below", tree().path("real"));
    tree().link("chain", "relative");
    tree().link("absolute-outside", secret);
    tree().link("relative-outside", "../secret.txt");
    tree().link("real/deep-outside", "../../secret.txt");
    tree().link("directory-outside", "..");
    tree().link("to-the-system", "/etc/passwd");
    tree().link("to-proc", "/proc/self/root/etc/passwd");
    tree().link("dangling", "nowhere");
    tree().link("loop", "loop");
    // Out and in again: below the root in the end, but not on the way.
    tree().link("around", "../root/real/file.txt");
  }

  void expect_refused(std::string_view target) {
    const Response response = get(target);
    EXPECT_TRUE(response.status == 403 || response.status == 404)
        << target << " -> " << response.status;
    EXPECT_EQ(response.body.find("secret"), std::string::npos) << target;
    EXPECT_EQ(response.body.find("root:"), std::string::npos) << target;
  }

  static constexpr std::array<const char*, 6> kOutside{
      "/absolute-outside",  "/relative-outside",
      "/real/deep-outside", "/directory-outside/secret.txt",
      "/to-the-system",     "/to-proc"};
};

TEST_F(LinksTest, by_default_links_below_the_root_are_followed) {
  serve();
  for (const char* target : {"/relative", "/real/up", "/directory/file.txt", "/chain"}) {
    EXPECT_EQ(get(target).body, "inside") << target;
  }
}

TEST_F(LinksTest, by_default_an_absolute_link_to_below_the_root_is_followed) {
  serve();
  EXPECT_EQ(get("/absolute-below").body, "inside");
  EXPECT_EQ(get("/absolute-directory-below/file.txt").body, "inside");
}

TEST_F(LinksTest, by_default_links_that_leave_the_root_are_refused) {
  serve();
  for (const char* target : kOutside) expect_refused(target);
}

TEST_F(LinksTest, within_is_the_default) {
  serve({"--follow-symlinks", "within"});
  EXPECT_EQ(get("/chain").body, "inside");
  for (const char* target : kOutside) expect_refused(target);
}

TEST_F(LinksTest, never_follows_no_link_at_all) {
  serve({"--follow-symlinks", "never"});
  for (const char* target : {"/relative", "/real/up", "/directory/file.txt", "/chain",
                             "/absolute-below", "/absolute-directory-below/file.txt"}) {
    expect_refused(target);
  }
  for (const char* target : kOutside) expect_refused(target);
  EXPECT_EQ(get("/real/file.txt").body, "inside");
}

TEST_F(LinksTest, always_follows_links_anywhere) {
  serve({"--follow-symlinks", "always"});
  EXPECT_EQ(get("/relative").body, "inside");
  EXPECT_EQ(get("/absolute-below").body, "inside");
  EXPECT_EQ(get("/absolute-outside").body, "secret");
  EXPECT_EQ(get("/relative-outside").body, "secret");
  EXPECT_EQ(get("/directory-outside/secret.txt").body, "secret");
  EXPECT_EQ(get("/around").body, "inside");
}

TEST_F(LinksTest, links_that_lead_nowhere_are_refused_in_every_mode) {
  for (const char* mode : {"within", "never", "always"}) {
    serve({"--follow-symlinks", mode});
    expect_refused("/dangling");
    expect_refused("/loop");
    expect_refused("/loop/x");
    expect_alive();
    stop();
  }
}

TEST_F(LinksTest, a_link_to_a_directory_redirects_like_a_directory) {
  serve();
  const Response response = get("/directory");
  EXPECT_EQ(response.status, 301);
  EXPECT_EQ(response.header("Location"), "/directory/");
}

TEST_F(LinksTest, a_link_that_is_turned_outside_is_refused_from_then_on) {
  serve({"--threads", "1"});  // each worker sees the change at a moment of its own
  EXPECT_EQ(get("/relative").body, "inside");
  tree().remove("relative");
  tree().link("relative", "../secret.txt");
  const Deadline deadline;
  Response response = get("/relative");
  while (response.status == 200 && !deadline.passed()) {
    EXPECT_EQ(response.body, "inside");
    response = get("/relative");
  }
  expect_refused("/relative");
}

TEST_F(LinksTest, the_root_itself_may_be_a_link) {
  tree().link("itself", "real");
  ServerSpec spec;
  spec.root = tree().path("itself");
  serve_as(spec);
  EXPECT_EQ(get("/file.txt").body, "inside");
  expect_refused("/deep-outside");
}

}  // namespace
