// Bodies of requests: a file server has no use for them, so it reads and forgets them, and the
// next request is found behind. Beyond the limit the connection ends instead.
#include "tests/support/server_test.h"

namespace {

using namespace support;

constexpr std::size_t kBodyBytesMax = 1024 * 1024;

class BodyTest : public ServerTest {
 protected:
  void SetUp() override { tree().write("hello.txt", "hello"); }

  // After this exchange the connection is as announced: alive behind the body, or closed.
  Response send_and_read(HttpClient& client, const std::string& bytes) {
    client.send(bytes);
    return client.read_response();
  }
};

TEST_F(BodyTest, the_body_of_a_get_is_discarded) {
  serve();
  HttpClient client = connect();
  const std::string body(100'000, 'b');
  const Response response = send_and_read(
      client,
      request("GET", "/hello.txt", {{"Content-Length", std::to_string(body.size())}}) + body);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "hello");
  expect_connection_as_announced(client, response);
}

TEST_F(BodyTest, a_body_that_looks_like_a_request_is_no_request) {
  serve();
  HttpClient client = connect();
  const std::string smuggled = request("GET", "/absent");
  client.send(request("GET", "/hello.txt", {{"Content-Length", std::to_string(smuggled.size())}}) +
              smuggled + request("HEAD", "/hello.txt") + request("GET", "/hello.txt"));
  EXPECT_EQ(client.read_response().status, 200);
  EXPECT_EQ(client.read_response("HEAD").status, 200);
  EXPECT_EQ(client.read_response().body, "hello");
}

TEST_F(BodyTest, the_body_of_a_post_is_discarded) {
  serve();
  HttpClient client = connect();
  const std::string body(5000, 'b');
  const Response response = send_and_read(
      client,
      request("POST", "/hello.txt", {{"Content-Length", std::to_string(body.size())}}) + body);
  EXPECT_EQ(response.status, 405);
  expect_connection_as_announced(client, response);
}

TEST_F(BodyTest, a_chunked_body_is_discarded) {
  serve();
  HttpClient client = connect();
  const Response response =
      send_and_read(client, request("POST", "/hello.txt", {{"Transfer-Encoding", "chunked"}}) +
                                "5\r\nhello\r\n3;ext=1\r\nfoo\r\n0\r\nTrailer: x\r\n\r\n");
  EXPECT_EQ(response.status, 405);
  expect_connection_as_announced(client, response);
}

TEST_F(BodyTest, a_body_may_come_in_pieces) {
  serve();
  HttpClient client = connect();
  client.send(request("GET", "/hello.txt", {{"Content-Length", "10"}}));
  client.send_byte_by_byte("0123456789" + request("GET", "/hello.txt"));
  EXPECT_EQ(client.read_response().body, "hello");
  EXPECT_EQ(client.read_response().body, "hello");
}

TEST_F(BodyTest, a_body_of_the_limit_is_accepted) {
  serve();
  HttpClient client = connect();
  const std::string body(kBodyBytesMax, 'b');
  const Response response = send_and_read(
      client,
      request("GET", "/hello.txt", {{"Content-Length", std::to_string(body.size())}}) + body);
  EXPECT_EQ(response.status, 200);
  expect_connection_as_announced(client, response);
}

TEST_F(BodyTest, a_body_announced_beyond_the_limit_is_413_and_closes) {
  serve();
  HttpClient client = connect();
  const Response response = send_and_read(
      client,
      request("POST", "/hello.txt", {{"Content-Length", std::to_string(kBodyBytesMax + 1)}}));
  EXPECT_EQ(response.status, 413);
  EXPECT_FALSE(response.keeps_alive());
  expect_connection_as_announced(client, response);
}

TEST_F(BodyTest, a_chunked_body_that_grows_beyond_the_limit_ends_the_connection) {
  serve();
  HttpClient client = connect();
  client.send(request("POST", "/hello.txt", {{"Transfer-Encoding", "chunked"}}));
  const std::string chunk = "10000\r\n" + std::string(0x10000, 'b') + "\r\n";
  // The server may stop to listen at any moment from the limit on.
  for (std::size_t sent = 0; sent < 4 * kBodyBytesMax; sent += 0x10000) {
    if (!client.send_if_possible(chunk)) break;
  }
  const Remainder rest = client.read_to_end();
  EXPECT_EQ(rest.bytes.find("HTTP/1.1 2"), std::string::npos);
  expect_alive();
}

TEST_F(BodyTest, a_length_that_overflows_is_refused) {
  serve();
  for (const char* length : {"18446744073709551616", "99999999999999999999999999"}) {
    HttpClient client = connect();
    const Response response =
        send_and_read(client, request("POST", "/hello.txt", {{"Content-Length", length}}));
    EXPECT_TRUE(response.status == 400 || response.status == 413) << response.status;
    EXPECT_FALSE(response.keeps_alive());
    expect_connection_as_announced(client, response);
  }
}

}  // namespace
