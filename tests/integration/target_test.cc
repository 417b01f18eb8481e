// From the request target to a name: decoding, dot segments, and names as odd as a file system
// allows. A target never leads out of the root, and a redirect never to another host.
#include "tests/support/server_test.h"

namespace {

using namespace support;

class TargetTest : public ServerTest {
 protected:
  void SetUp() override {
    tree().write("b.txt", "b");
    tree().write("a/c.txt", "c");
  }

  // Served under its percent-encoded name, with exactly its own content.
  void expect_served(const std::string& name) {
    const Response response = get("/" + percent_encoded(name));
    EXPECT_EQ(response.status, 200) << name;
    EXPECT_EQ(response.body, "content of " + name);
  }
  void make(const std::string& name) { tree().write(name, "content of " + name); }

  std::string location_of(std::string_view target) {
    const Response response = get(target);
    EXPECT_EQ(response.status, 301) << target;
    return response.header("Location");
  }
};

TEST_F(TargetTest, encoded_characters_are_decoded) {
  serve();
  EXPECT_EQ(get("/%62%2Etxt").body, "b");
  EXPECT_EQ(get("/%62%2etxt").body, "b");
  EXPECT_EQ(get("/%61/%63.txt").body, "c");
}

TEST_F(TargetTest, what_is_decoded_is_not_decoded_again) {
  tree().write("%62.txt", "percent");
  serve();
  EXPECT_EQ(get("/%2562.txt").body, "percent");
  EXPECT_EQ(status_of("/%252e%252e/b.txt"), 404);
}

TEST_F(TargetTest, dot_segments_are_resolved) {
  serve();
  for (const char* target : {"/./b.txt", "/a/../b.txt", "/a/./../b.txt", "/a/%2e%2e/b.txt",
                             "/a/%2E./b.txt", "/absent/../b.txt", "/a/../a/../b.txt"}) {
    EXPECT_EQ(get(target).body, "b") << target;
  }
  EXPECT_EQ(get("/a/.//c.txt").status, get("/a//c.txt").status);
}

TEST_F(TargetTest, dots_within_a_name_are_a_name) {
  make("...");
  make("..b");
  make("a..b");
  make("a...");
  serve({"--hidden"});
  for (const char* name : {"...", "..b", "a..b", "a..."}) expect_served(name);
}

TEST_F(TargetTest, a_climb_above_the_root_finds_nothing) {
  tree().outside("secret", "secret");
  serve();
  for (const char* target :
       {"/../secret", "/a/../../secret", "/%2e%2e/secret", "/..%2fsecret", "/..%5csecret",
        "/a/..%2f..%2fsecret", "/.%2e/secret", "/..;/secret", "/%c0%ae%c0%ae/secret",
        "/./../secret", "//../secret", "/%2e%2e%2fsecret", "/a/b/c/../../../../secret"}) {
    const Response response = get(target);
    EXPECT_TRUE(response.status == 400 || response.status == 404)
        << target << " -> " << response.status;
    EXPECT_EQ(response.body.find("secret\n"), std::string::npos);
    EXPECT_NE(response.body, "secret");
  }
}

TEST_F(TargetTest, an_encoded_slash_is_part_of_no_name) {
  serve();
  EXPECT_EQ(status_of("/a%2fc.txt"), 404);
  EXPECT_EQ(status_of("/a%2Fc.txt"), 404);
  EXPECT_EQ(status_of("/%2fb.txt"), 404);
}

TEST_F(TargetTest, an_encoded_nul_is_refused) {
  serve();
  EXPECT_EQ(status_of("/b.txt%00"), 400);
  EXPECT_EQ(status_of("/b.txt%00.html"), 400);
}

TEST_F(TargetTest, the_query_is_not_part_of_the_name) {
  make("what?");
  serve();
  EXPECT_EQ(get("/b.txt?").body, "b");
  EXPECT_EQ(get("/b.txt?x=1&y=/../..&z=%zz").body, "b");
  expect_served("what?");
}

TEST_F(TargetTest, names_with_odd_characters_are_served) {
  const std::vector<std::string> names{"with space",    " leading and trailing ",
                                       "quote\"double", "quote'single",
                                       "new\nline",     "carriage\rreturn",
                                       "tab\tulator",   "back\\slash",
                                       "per%cent",      "hash#tag",
                                       "plus+plus",     "semi;colon",
                                       "a&b=c",         "<html>",
                                       "ümläut",        "\xe6\x97\xa5\xe6\x9c\xac",
                                       "bell\a",        "del\x7f",
                                       "~tilde",        "colon:name",
                                       "star*",         "[brackets]",
                                       "{braces}|^`",   "@at,comma!$()"};
  for (const std::string& name : names) make(name);
  serve();
  for (const std::string& name : names) expect_served(name);
}

TEST_F(TargetTest, names_that_are_no_utf8_are_served) {
  const std::vector<std::string> names{"\xff\xfe", "latin1-\xe9", "cut-\xe2\x82",
                                       "\xc0\xaf", "\x80",        "sub\xff/\xfe.txt"};
  for (const std::string& name : names) make(name);
  serve();
  for (const std::string& name : names) expect_served(name);
}

TEST_F(TargetTest, a_plus_is_a_plus) {
  make("a+b");
  make("a b");
  serve();
  EXPECT_EQ(get("/a+b").body, "content of a+b");
  EXPECT_EQ(get("/a%20b").body, "content of a b");
}

TEST_F(TargetTest, a_name_may_be_255_bytes_long_and_not_longer) {
  const std::string longest(255, 'n');
  make(longest);
  serve();
  expect_served(longest);
  EXPECT_EQ(status_of("/" + longest + "n"), 404);
  EXPECT_EQ(status_of("/" + std::string(5000, 'n')), 404);
}

TEST_F(TargetTest, a_deep_path_is_served) {
  std::string name;
  for (int depth = 0; depth < 60; ++depth) name += "directory-" + std::to_string(depth) + "/";
  make(name + "file");
  serve();
  expect_served(name + "file");
  std::string too_deep;
  for (int depth = 0; depth < 3000; ++depth) too_deep += "/a";
  EXPECT_EQ(status_of(too_deep), 404);
}

TEST_F(TargetTest, a_file_is_no_directory) {
  serve();
  EXPECT_EQ(status_of("/b.txt/"), 404);
  EXPECT_EQ(status_of("/b.txt/c"), 404);
}

TEST_F(TargetTest, names_tell_upper_from_lower_case) {
  serve();
  EXPECT_EQ(status_of("/B.TXT"), 404);
}

TEST_F(TargetTest, a_redirect_never_leads_to_another_host) {
  tree().directory("evil.example");
  serve();
  for (const char* target :
       {"//evil.example", "//evil.example/..", "///evil.example", "//evil.example/%2e%2e",
        "/.//evil.example", "/a/..//evil.example", "//evil.example/.", "/%2e//evil.example"}) {
    const Response response = get(target);
    if (response.status != 301) continue;
    const std::string location = response.header("Location");
    ASSERT_GE(location.size(), 1U);
    EXPECT_EQ(location[0], '/') << target;
    EXPECT_NE(location.substr(0, 2), "//") << target;
  }
}

TEST_F(TargetTest, a_redirect_encodes_what_a_browser_would_misread) {
  tree().directory("\\evil.example");
  tree().directory("new\r\nline: x");
  tree().directory("que?ry");
  tree().directory("per%63ent");
  tree().directory("a b");
  serve();
  EXPECT_EQ(location_of("/%5Cevil.example"), "/%5Cevil.example/");
  EXPECT_EQ(location_of("/que%3Fry"), "/que%3Fry/");
  EXPECT_EQ(location_of("/per%2563ent?x=%0d"), "/per%2563ent/?x=%0d");
  EXPECT_EQ(location_of("/a%20b"), "/a%20b/");
  const std::string split = location_of("/new%0D%0Aline:%20x");
  EXPECT_EQ(split.substr(0, 10), "/new%0D%0A");
}

TEST_F(TargetTest, a_raw_backslash_does_not_lead_to_another_host) {
  tree().directory("\\evil.example");
  serve();
  const Response response = get("/\\evil.example");
  if (response.status != 301) return;
  EXPECT_NE(response.header("Location").substr(0, 2), "/\\");
}

}  // namespace
