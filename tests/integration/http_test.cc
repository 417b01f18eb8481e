// The core of HTTP/1.1: what a well-behaved client sees. Each answer has the fields it must
// have, and the connection lives or ends as the answer says.
#include <algorithm>
#include <ctime>

#include "tests/support/server_test.h"

namespace {

using namespace support;

class HttpTest : public ServerTest {
 protected:
  void SetUp() override {
    tree().write("hello.txt", "hello, ring\n");
    tree().write("sub/index.html", "<p>sub</p>");
  }
};

TEST_F(HttpTest, a_get_answers_with_the_file_and_its_facts) {
  tree().modified_at("hello.txt", 1'000'000'000);
  serve();
  const Response response = get("/hello.txt");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.reason, "OK");
  EXPECT_EQ(response.body, "hello, ring\n");
  EXPECT_EQ(response.header("Content-Length"), "12");
  EXPECT_EQ(response.header("Content-Type").substr(0, 10), "text/plain");
  EXPECT_EQ(response.header("Last-Modified"), "Sun, 09 Sep 2001 01:46:40 GMT");
  EXPECT_EQ(response.header("Accept-Ranges"), "bytes");
  EXPECT_NE(response.header("Server"), "");
  EXPECT_GE(response.header("ETag").size(), 3U);
}

TEST_F(HttpTest, the_date_is_now) {
  serve();
  const std::int64_t before = std::time(nullptr);
  const Response response = get("/hello.txt");
  const std::int64_t after = std::time(nullptr);
  const auto date = parse_http_date(response.header("Date"));
  ASSERT_TRUE(date) << response.header("Date");
  // A second of grace either way: a date may be cached, and time(2) ticks late.
  EXPECT_GE(*date, before - 2);
  EXPECT_LE(*date, after + 1);
}

TEST_F(HttpTest, a_head_has_the_fields_of_a_get_and_no_body) {
  serve();
  HttpClient client = connect();
  Response whole = client.get("/hello.txt");
  Response head = client.exchange("HEAD", "/hello.txt");
  EXPECT_EQ(head.status, 200);
  const auto without_date = [](Response& response) {
    auto& fields = response.headers;
    fields.erase(std::remove_if(fields.begin(), fields.end(),
                                [](const auto& field) { return field.first == "Date"; }),
                 fields.end());
  };
  without_date(whole);
  without_date(head);
  EXPECT_EQ(head.headers, whole.headers);
  EXPECT_EQ(client.get("/hello.txt").body, "hello, ring\n") << "bytes behind a HEAD response";
}

TEST_F(HttpTest, a_head_of_something_absent_has_no_body_either) {
  serve();
  HttpClient client = connect();
  EXPECT_EQ(client.exchange("HEAD", "/absent").status, 404);
  EXPECT_EQ(client.get("/hello.txt").status, 200);
}

TEST_F(HttpTest, a_connection_carries_many_requests) {
  serve();
  HttpClient client = connect();
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(client.get("/hello.txt").body, "hello, ring\n");
}

TEST_F(HttpTest, connection_close_is_obeyed_and_announced) {
  serve();
  for (const char* value : {"close", "Close", "keep-alive, close"}) {
    HttpClient client = connect();
    const Response response = client.get("/hello.txt", {{"Connection", value}});
    EXPECT_EQ(response.status, 200);
    EXPECT_FALSE(response.keeps_alive()) << value;
    expect_connection_as_announced(client, response);
  }
}

TEST_F(HttpTest, requests_behind_connection_close_are_not_answered) {
  serve();
  HttpClient client = connect();
  client.send(request("GET", "/hello.txt", {{"Connection", "close"}}) +
              request("GET", "/hello.txt"));
  EXPECT_EQ(client.read_response().status, 200);
  const Remainder rest = client.read_to_end();
  EXPECT_EQ(rest.bytes, "");
  EXPECT_EQ(rest.ending, Ending::kEndOfFile);
}

TEST_F(HttpTest, http_1_0_is_answered_and_closed) {
  serve();
  HttpClient client = connect();
  client.send("GET /hello.txt HTTP/1.0\r\n\r\n");
  const Response response = client.read_response();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "hello, ring\n");
  const Remainder rest = client.read_to_end();
  EXPECT_EQ(rest.bytes, "");
  EXPECT_EQ(rest.ending, Ending::kEndOfFile);
}

TEST_F(HttpTest, http_1_0_lives_on_when_it_asks_to) {
  serve();
  HttpClient client = connect();
  for (int i = 0; i < 3; ++i) {
    client.send("GET /hello.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    const Response response = client.read_response();
    EXPECT_EQ(response.status, 200);
    std::string connection = response.header("Connection");
    std::transform(connection.begin(), connection.end(), connection.begin(), ::tolower);
    EXPECT_EQ(connection, "keep-alive") << "an HTTP/1.0 client must be told";
  }
}

TEST_F(HttpTest, content_types_come_from_the_media_types_of_the_system) {
  const std::vector<std::pair<std::string, std::string>> types{
      {"a.html", "text/html"},
      {"a.css", "text/css"},
      {"a.png", "image/png"},
      {"a.svg", "image/svg+xml"},
      {"a.txt", "text/plain"},
      {"a.json", "application/json"},
      {"a.pdf", "application/pdf"},
      {"a.JPG", "image/jpeg"},
      {"a.tar.gz", "application/gzip"},
      {"noextension", "application/octet-stream"},
      {"a.unheard-of", "application/octet-stream"}};
  for (const auto& [name, type] : types) tree().write(name, "x");
  serve();
  HttpClient client = connect();
  for (const auto& [name, type] : types) {
    const std::string got = client.get("/" + name).header("Content-Type");
    EXPECT_EQ(got.substr(0, got.find(';')), type) << name;
  }
}

TEST_F(HttpTest, a_directory_answers_with_its_index) {
  serve();
  const Response response = get("/sub/");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "<p>sub</p>");
  EXPECT_EQ(response.header("Content-Type").substr(0, 9), "text/html");
}

TEST_F(HttpTest, the_names_of_the_index_are_tried_in_order) {
  tree().write("two/second.htm", "second");
  tree().write("one/first.htm", "first");
  tree().write("one/second.htm", "second");
  serve({"--index", "first.htm", "--index", "second.htm"});
  EXPECT_EQ(get("/one/").body, "first");
  EXPECT_EQ(get("/two/").body, "second");
}

TEST_F(HttpTest, a_directory_without_an_index_is_not_shown) {
  tree().write("listing/secret.txt", "x");
  serve();
  const Response response = get("/listing/");
  EXPECT_TRUE(response.status == 403 || response.status == 404) << response.status;
  EXPECT_EQ(response.body.find("secret"), std::string::npos);
}

TEST_F(HttpTest, a_directory_without_its_slash_is_a_redirect_that_keeps_the_query) {
  serve();
  const Response response = get("/sub?a=1&b=%20");
  EXPECT_EQ(response.status, 301);
  EXPECT_EQ(response.header("Location"), "/sub/?a=1&b=%20");
  EXPECT_EQ(get("/sub").header("Location"), "/sub/");
}

TEST_F(HttpTest, something_absent_is_404_with_a_small_body_and_the_connection_lives) {
  serve();
  HttpClient client = connect();
  const Response response = client.get("/absent");
  EXPECT_EQ(response.status, 404);
  EXPECT_GT(response.body.size(), 0U);
  EXPECT_LT(response.body.size(), 1024U);
  EXPECT_TRUE(response.keeps_alive());
  expect_connection_as_announced(client, response);
}

TEST_F(HttpTest, hidden_names_are_absent_unless_asked_for) {
  tree().write(".secret", "x");
  tree().write(".git/config", "x");
  tree().write("sub/.htpasswd", "x");
  serve();
  EXPECT_EQ(status_of("/.secret"), 404);
  EXPECT_EQ(status_of("/.git/config"), 404);
  EXPECT_EQ(status_of("/sub/.htpasswd"), 404);
  EXPECT_EQ(status_of("/%2egit/config"), 404);
  stop();
  serve({"--hidden"});
  EXPECT_EQ(status_of("/.secret"), 200);
  EXPECT_EQ(status_of("/.git/config"), 200);
  EXPECT_EQ(status_of("/sub/.htpasswd"), 200);
}

TEST_F(HttpTest, the_absolute_form_of_a_target_is_accepted) {
  serve();
  EXPECT_EQ(get("http://example.org/hello.txt").body, "hello, ring\n");
  EXPECT_EQ(get("http://example.org/sub").header("Location"), "/sub/");
}

TEST_F(HttpTest, other_methods_are_405_and_say_what_is_allowed) {
  serve();
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH"}) {
    HttpClient client = connect();
    const Response response = client.exchange(method, "/hello.txt", {{"Content-Length", "0"}});
    EXPECT_EQ(response.status, 405) << method;
    EXPECT_EQ(response.header("Allow"), "GET, HEAD, OPTIONS") << method;
    expect_connection_as_announced(client, response);
  }
}

TEST_F(HttpTest, an_unknown_method_is_501) {
  serve();
  for (const char* method : {"BREW", "get", "GETT"}) {
    HttpClient client = connect();
    const Response response = client.exchange(method, "/hello.txt");
    EXPECT_EQ(response.status, 501) << method;
    expect_connection_as_announced(client, response);
  }
}

TEST_F(HttpTest, empty_lines_before_a_request_are_forgiven) {
  serve();
  HttpClient client = connect();
  client.send("\r\n" + request("GET", "/hello.txt"));
  EXPECT_EQ(client.read_response().status, 200);
}

}  // namespace
