// Conditional requests: what a client already has is not sent again. The validators are a
// strong ETag and the time of the last modification.
#include "tests/support/server_test.h"

namespace {

using namespace support;

constexpr std::int64_t kModified_s = 1'600'000'000;

class ConditionalTest : public ServerTest {
 protected:
  void SetUp() override {
    tree().write("page.html", "<p>page</p>");
    tree().modified_at("page.html", kModified_s);
    serve();
  }

  std::string etag() { return get("/page.html").header("ETag"); }
  int status_with(const std::string& field, const std::string& value) {
    return get("/page.html", {{field, value}}).status;
  }
};

TEST_F(ConditionalTest, an_etag_is_strong_and_quoted) {
  const std::string tag = etag();
  ASSERT_GE(tag.size(), 3U);
  EXPECT_EQ(tag.front(), '"');
  EXPECT_EQ(tag.back(), '"');
  EXPECT_EQ(tag.find('"', 1), tag.size() - 1);
  EXPECT_EQ(etag(), tag);
}

TEST_F(ConditionalTest, an_etag_changes_with_the_file) {
  const std::string before = etag();
  stop();
  tree().replace("page.html", "<p>PAGE</p>");
  serve();
  EXPECT_NE(etag(), before);
}

TEST_F(ConditionalTest, a_known_etag_is_304_with_validators_and_without_body) {
  HttpClient client = connect();
  const std::string tag = etag();
  const Response response = client.get("/page.html", {{"If-None-Match", tag}});
  EXPECT_EQ(response.status, 304);
  EXPECT_EQ(response.header("ETag"), tag);
  EXPECT_TRUE(response.has("Date"));
  if (response.has("Content-Length")) {
    EXPECT_EQ(response.content_length(), 11U);
  }
  EXPECT_TRUE(response.keeps_alive());
  EXPECT_EQ(client.get("/page.html").body, "<p>page</p>") << "bytes behind a 304";
}

TEST_F(ConditionalTest, a_list_of_etags_matches_when_one_does) {
  const std::string tag = etag();
  EXPECT_EQ(status_with("If-None-Match", "\"other\", " + tag), 304);
  EXPECT_EQ(status_with("If-None-Match", tag + ",\"other\""), 304);
  EXPECT_EQ(status_with("If-None-Match", "\"a\" , \"b\",\"c,d\" ,W/" + tag + ", \"e\""), 304);
  EXPECT_EQ(status_with("If-None-Match", "\"one\", \"two\""), 200);
}

TEST_F(ConditionalTest, the_list_may_span_several_fields) {
  const Response response =
      get("/page.html", {{"If-None-Match", "\"other\""}, {"If-None-Match", etag()}});
  EXPECT_EQ(response.status, 304);
}

TEST_F(ConditionalTest, the_comparison_is_weak) {
  EXPECT_EQ(status_with("If-None-Match", "W/" + etag()), 304);
}

TEST_F(ConditionalTest, a_star_matches_what_exists) {
  EXPECT_EQ(status_with("If-None-Match", "*"), 304);
  EXPECT_EQ(get("/absent", {{"If-None-Match", "*"}}).status, 404);
}

TEST_F(ConditionalTest, an_unknown_etag_is_200) {
  EXPECT_EQ(status_with("If-None-Match", "\"unknown\""), 200);
  std::string part = etag();
  part.erase(1, 1);
  EXPECT_EQ(status_with("If-None-Match", part), 200);
  EXPECT_EQ(status_with("If-None-Match", "rubbish"), 200);
  EXPECT_EQ(status_with("If-None-Match", "\"unterminated"), 200);
}

TEST_F(ConditionalTest, not_modified_since_is_304) {
  const std::string modified = get("/page.html").header("Last-Modified");
  EXPECT_EQ(modified, http_date(kModified_s));
  EXPECT_EQ(status_with("If-Modified-Since", modified), 304);
  EXPECT_EQ(status_with("If-Modified-Since", http_date(kModified_s + 3600)), 304);
}

TEST_F(ConditionalTest, modified_since_is_200) {
  EXPECT_EQ(status_with("If-Modified-Since", http_date(kModified_s - 1)), 200);
  EXPECT_EQ(status_with("If-Modified-Since", http_date(0)), 200);
}

TEST_F(ConditionalTest, the_obsolete_forms_of_a_date_are_understood) {
  // 13 September 2020, 12:26:40, a Sunday.
  EXPECT_EQ(status_with("If-Modified-Since", "Sunday, 13-Sep-20 12:26:40 GMT"), 304);
  EXPECT_EQ(status_with("If-Modified-Since", "Sun Sep 13 12:26:40 2020"), 304);
  EXPECT_EQ(status_with("If-Modified-Since", "Sun Sep 13 12:26:39 2020"), 200);
}

TEST_F(ConditionalTest, something_that_is_no_date_is_ignored) {
  for (const char* value : {"yesterday", "", "13 Sep 2020", "Sun, 33 Sep 2020 12:26:40 GMT",
                            "Sun, 13 Sep 2020 12:26:40", "1600000000"}) {
    EXPECT_EQ(status_with("If-Modified-Since", value), 200) << value;
  }
}

TEST_F(ConditionalTest, an_etag_outranks_a_date) {
  const std::string modified = http_date(kModified_s);
  EXPECT_EQ(
      get("/page.html", {{"If-None-Match", "\"other\""}, {"If-Modified-Since", modified}}).status,
      200);
  EXPECT_EQ(
      get("/page.html", {{"If-None-Match", etag()}, {"If-Modified-Since", http_date(0)}}).status,
      304);
}

TEST_F(ConditionalTest, a_head_can_be_conditional_too) {
  HttpClient client = connect();
  EXPECT_EQ(client.exchange("HEAD", "/page.html", {{"If-None-Match", etag()}}).status, 304);
  EXPECT_EQ(client.get("/page.html").status, 200);
}

TEST_F(ConditionalTest, pipelined_304s_stay_in_step) {
  HttpClient client = connect();
  const std::string conditional = request("GET", "/page.html", {{"If-None-Match", etag()}});
  std::string requests;
  for (int i = 0; i < 20; ++i) requests += conditional + request("GET", "/page.html");
  client.send(requests);
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(client.read_response().status, 304);
    ASSERT_EQ(client.read_response().body, "<p>page</p>");
  }
}

}  // namespace
