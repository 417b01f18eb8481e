// Several sites behind one address: which one answers is the Host field's, or the authority's of an
// absolute target; what a site is told to do stays its own.
#include "tests/support/server_test.h"

namespace {

using namespace support;

class SitesTest : public ServerTest {
 protected:
  void SetUp() override {
    tree().write("one/index.html", "one");
    tree().write("two/index.html", "two");
    tree().write("below/index.html", "below");
    config_ = tree().outside("sites.toml",
                             "header = [\"X-Everywhere: yes\"]\n"
                             "[[site]]\n"
                             "names = [\"one.example\", \"www.one.example\"]\n"
                             "root = \"" +
                                 tree().path("one") +
                                 "\"\n"
                                 "[[site]]\n"
                                 "names = [\"two.example\"]\n"
                                 "root = \"" +
                                 tree().path("two") +
                                 "\"\n"
                                 "header = [\"X-Two: 2\"]\n"
                                 "[[site]]\n"
                                 "names = [\"*.two.example\"]\n"
                                 "root = \"" +
                                 tree().path("below") + "\"\n");
    serve({"--config", config_});
  }

  Response at(const std::string& host) { return get("/", {{"Host", host}}); }

  std::string config_;
};

TEST_F(SitesTest, the_host_field_chooses) {
  EXPECT_EQ(at("one.example").body, "one");
  EXPECT_EQ(at("two.example").body, "two");
  EXPECT_EQ(at("www.one.example").body, "one");
}

TEST_F(SitesTest, case_port_and_the_dot_at_the_end_do_not_matter) {
  EXPECT_EQ(at("TWO.Example").body, "two");
  EXPECT_EQ(at("two.example:8080").body, "two");
  EXPECT_EQ(at("two.example.").body, "two");
}

TEST_F(SitesTest, a_star_stands_for_every_name_below) {
  EXPECT_EQ(at("a.two.example").body, "below");
  EXPECT_EQ(at("b.a.two.example").body, "below");
  EXPECT_EQ(at("xtwo.example").body, "one") << "not below, and nobody's: the first site's";
}

TEST_F(SitesTest, an_unknown_name_gets_the_first_site) {
  EXPECT_EQ(at("127.0.0.1").body, "one");
  EXPECT_EQ(at("nobody.example").body, "one");
}

TEST_F(SitesTest, the_authority_of_an_absolute_target_is_stronger_than_the_host_field) {
  EXPECT_EQ(get("http://two.example/", {{"Host", "one.example"}}).body, "two");
}

TEST_F(SitesTest, one_connection_may_ask_all_sites) {
  HttpClient client = connect();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(client.get("/", {{"Host", "one.example"}}).body, "one");
    EXPECT_EQ(client.get("/", {{"Host", "two.example"}}).body, "two");
  }
}

TEST_F(SitesTest, what_a_site_says_for_itself_replaces_what_all_say) {
  EXPECT_EQ(at("one.example").header("X-Everywhere"), "yes");
  EXPECT_FALSE(at("one.example").has("X-Two"));
  EXPECT_EQ(at("two.example").header("X-Two"), "2");
  EXPECT_FALSE(at("two.example").has("X-Everywhere"));
}

TEST_F(SitesTest, the_files_of_one_site_are_not_those_of_another) {
  tree().write("two/only.txt", "only two");
  EXPECT_EQ(get("/only.txt", {{"Host", "two.example"}}).status, 200);
  EXPECT_EQ(get("/only.txt", {{"Host", "one.example"}}).status, 404);
}

}  // namespace
