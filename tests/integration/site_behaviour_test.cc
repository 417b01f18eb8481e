// What a site may be told beyond its directory: pages for errors, a fallback, redirects, fields of
// its own, rules for caches, other origins.
#include "tests/support/server_test.h"

namespace {

using namespace support;

class SiteBehaviourTest : public ServerTest {
 protected:
  void SetUp() override {
    tree().write("index.html", "home");
    tree().write("app.html", "<p>the application</p>");
    tree().write("404.html", "<p>nothing here</p>");
    tree().write("docs/page.html", "page");
    tree().write("style.css", "p {}");
    tree().write(".secret", "secret");
    tree().write(".well-known/security.txt", "Contact: nobody");
    tree().write(".well-known/.hidden", "hidden");
    tree().fill("large.bin", 300'000);
  }
};

TEST_F(SiteBehaviourTest, an_error_page_keeps_the_status) {
  serve({"--error-page", "404=404.html"});
  for (const char* target : {"/absent", "/.secret", "/docs/absent"}) {
    const Response response = get(target);
    EXPECT_EQ(response.status, 404) << target;
    EXPECT_EQ(response.body, "<p>nothing here</p>") << target;
    EXPECT_EQ(response.header("Content-Type").substr(0, 9), "text/html");
    EXPECT_FALSE(response.has("Content-Range"));
  }
  EXPECT_EQ(head("/absent").content_length(), 19U);
  EXPECT_EQ(get("/absent", {{"Range", "bytes=0-3"}}).status, 404) << "an error has no ranges";
}

TEST_F(SiteBehaviourTest, an_error_page_that_is_large_comes_whole) {
  serve({"--error-page", "404=large.bin"});
  HttpClient client = connect();
  const Response response = client.get("/absent");
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(response.body, TempTree::expected("large.bin", 0, 300'000));
  EXPECT_EQ(client.get("/style.css").status, 200);
}

TEST_F(SiteBehaviourTest, an_error_page_that_is_not_there_is_replaced_by_the_plain_text) {
  serve({"--error-page", "404=gone.html"});
  const Response response = get("/absent");
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(response.body, "404 Not Found\n");
}

TEST_F(SiteBehaviourTest, the_fallback_answers_for_what_is_not_there) {
  serve({"--fallback", "app.html"});
  for (const char* target : {"/users/42", "/absent?x=1", "/docs/"}) {
    const Response response = get(target);
    EXPECT_EQ(response.status, 200) << target;
    EXPECT_EQ(response.body, "<p>the application</p>") << target;
  }
  EXPECT_EQ(get("/style.css").body, "p {}");
  EXPECT_EQ(get("/").body, "home");
  EXPECT_EQ(head("/users/42").content_length(), 22U);
}

TEST_F(SiteBehaviourTest, a_fallback_that_is_not_there_is_404) {
  serve({"--fallback", "gone.html"});
  EXPECT_EQ(status_of("/absent"), 404);
}

TEST_F(SiteBehaviourTest, redirects_lead_where_the_rule_says) {
  serve({"--redirect", "/old=/docs/page.html", "--redirect", "/past/*=/docs/*", "--redirect",
         "/away=https://elsewhere.example/"});
  const Response response = get("/old?q=1");
  EXPECT_EQ(response.status, 301);
  EXPECT_EQ(response.header("Location"), "/docs/page.html?q=1");
  EXPECT_EQ(get("/past/page.html").header("Location"), "/docs/page.html");
  EXPECT_EQ(get("/away").header("Location"), "https://elsewhere.example/");
  EXPECT_EQ(get("/docs/page.html").status, 200);
}

TEST_F(SiteBehaviourTest, a_redirect_leads_to_no_host_that_the_client_names) {
  serve({"--redirect", "/past/*=/*"});
  for (const char* target : {"/past//evil.example", "/past/%2fevil.example", "/past/\\evil.example",
                             "/past/%5cevil.example", "/past/./%09//evil.example"}) {
    const Response response = get(target);
    if (response.status != 301) continue;  // refused altogether
    const std::string location = response.header("Location");
    ASSERT_GE(location.size(), 2U) << target;
    EXPECT_EQ(location[0], '/') << target;
    EXPECT_NE(location[1], '/') << target;
    EXPECT_NE(location[1], '\\') << target;
  }
}

TEST_F(SiteBehaviourTest, fields_are_added_to_every_reply) {
  serve({"--header", "X-Frame-Options: DENY", "--header", "Strict-Transport-Security: max-age=1"});
  for (const Response& response :
       {get("/"), get("/absent"), get("/large.bin"), get("/docs"),
        get("/large.bin", {{"Range", "bytes=5-9"}}),
        get("/large.bin", {{"Range", "bytes=9999999-"}}), get("/", {{"If-None-Match", "*"}})}) {
    EXPECT_EQ(response.header("X-Frame-Options"), "DENY") << response.status;
    EXPECT_EQ(response.header("Strict-Transport-Security"), "max-age=1") << response.status;
  }
}

TEST_F(SiteBehaviourTest, the_first_cache_rule_that_matches_is_sent) {
  serve({"--cache-control", "*.css=public, max-age=3600", "--cache-control", "/docs/*=no-store",
         "--cache-control", "*=no-cache"});
  EXPECT_EQ(get("/style.css").header("Cache-Control"), "public, max-age=3600");
  EXPECT_EQ(get("/docs/page.html").header("Cache-Control"), "no-store");
  EXPECT_EQ(get("/").header("Cache-Control"), "no-cache");
  const Response known = get("/style.css", {{"If-None-Match", "*"}});
  EXPECT_EQ(known.status, 304);
  EXPECT_EQ(known.header("Cache-Control"), "public, max-age=3600") << "RFC 9110 section 15.4.5";
}

TEST_F(SiteBehaviourTest, every_origin_may_read_where_the_site_says_so) {
  serve({"--cors", "*"});
  EXPECT_EQ(
      get("/style.css", {{"Origin", "https://a.example"}}).header("Access-Control-Allow-Origin"),
      "*");
  EXPECT_EQ(get("/absent", {{"Origin", "https://a.example"}}).header("Access-Control-Allow-Origin"),
            "*");
}

TEST_F(SiteBehaviourTest, of_several_origins_the_one_that_asks_is_named) {
  serve({"--cors", "https://a.example", "--cors", "https://b.example"});
  const Response allowed = get("/style.css", {{"Origin", "https://b.example"}});
  EXPECT_EQ(allowed.header("Access-Control-Allow-Origin"), "https://b.example");
  EXPECT_EQ(allowed.header("Vary"), "Origin");
  const Response refused = get("/style.css", {{"Origin", "https://c.example"}});
  EXPECT_FALSE(refused.has("Access-Control-Allow-Origin"));
  EXPECT_EQ(refused.header("Vary"), "Origin");
  EXPECT_EQ(get("/large.bin", {{"Origin", "https://a.example"}, {"Range", "bytes=0-1"}})
                .header("Access-Control-Allow-Origin"),
            "https://a.example");
}

TEST_F(SiteBehaviourTest, a_preflight_is_told_what_is_allowed) {
  serve({"--cors", "https://a.example"});
  HttpClient client = connect();
  const Response response =
      client.exchange("OPTIONS", "/style.css",
                      {{"Origin", "https://a.example"}, {"Access-Control-Request-Method", "GET"}});
  EXPECT_EQ(response.status, 204);
  EXPECT_EQ(response.header("Access-Control-Allow-Origin"), "https://a.example");
  EXPECT_NE(response.header("Access-Control-Allow-Methods").find("GET"), std::string::npos);
  EXPECT_TRUE(response.has("Access-Control-Max-Age"));
  EXPECT_EQ(client.get("/style.css").status, 200);
}

TEST_F(SiteBehaviourTest, without_cors_no_reply_speaks_of_origins) {
  serve();
  EXPECT_FALSE(
      get("/style.css", {{"Origin", "https://a.example"}}).has("Access-Control-Allow-Origin"));
}

TEST_F(SiteBehaviourTest, options_says_which_methods_there_are) {
  serve();
  HttpClient client = connect();
  for (const char* target : {"/style.css", "*", "/absent"}) {
    const Response response = client.exchange("OPTIONS", target);
    EXPECT_EQ(response.status, 204) << target;
    EXPECT_EQ(response.header("Allow"), "GET, HEAD, OPTIONS") << target;
  }
}

TEST_F(SiteBehaviourTest, well_known_names_are_not_hidden) {
  serve();
  EXPECT_EQ(get("/.well-known/security.txt").body, "Contact: nobody");
  EXPECT_EQ(status_of("/.well-known/.hidden"), 404);
  EXPECT_EQ(status_of("/.secret"), 404);
}

TEST_F(SiteBehaviourTest, media_types_can_be_told) {
  tree().write("data.xyz", "xyz");
  serve({"--media-type", "xyz=application/x-xyz", "--charset", "iso-8859-1"});
  EXPECT_EQ(get("/data.xyz").header("Content-Type"), "application/x-xyz");
  EXPECT_EQ(get("/").header("Content-Type"), "text/html; charset=iso-8859-1");
}

TEST_F(SiteBehaviourTest, text_has_a_charset) {
  serve();
  EXPECT_EQ(get("/").header("Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(get("/style.css").header("Content-Type"), "text/css; charset=utf-8");
}

TEST_F(SiteBehaviourTest, an_etag_can_be_left_out) {
  serve({"--etag", "off"});
  const Response response = get("/style.css");
  EXPECT_FALSE(response.has("ETag"));
  EXPECT_TRUE(response.has("Last-Modified"));
}

TEST_F(SiteBehaviourTest, a_time_that_says_nothing_is_not_sent) {
  tree().modified_at("style.css", 0);
  tree().modified_at("app.html", 4'000'000'000);
  serve();
  for (const char* target : {"/style.css", "/app.html"}) {
    const Response response = get(target);
    EXPECT_FALSE(response.has("Last-Modified")) << target;
    EXPECT_TRUE(response.has("ETag")) << target;
    EXPECT_EQ(get(target, {{"If-None-Match", response.header("ETag")}}).status, 304) << target;
  }
}

}  // namespace
