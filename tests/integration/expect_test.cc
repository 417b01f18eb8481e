// Expect (RFC 9110 section 10.1.1): a client that waits before it sends a body is answered, never
// left waiting; another expectation than 100-continue is refused.
#include "tests/support/server_test.h"

namespace {

using namespace support;

class ExpectTest : public ServerTest {
 protected:
  void SetUp() override {
    tree().write("hello.txt", "hello\n");
    serve();
  }
};

TEST_F(ExpectTest, an_upload_is_refused_before_its_body_is_sent) {
  HttpClient client = connect();
  client.send(
      "PUT /hello.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n"
      "Expect: 100-continue\r\n\r\n");
  const Response response = client.read_response("PUT");
  EXPECT_EQ(response.status, 405);
  EXPECT_FALSE(response.keeps_alive()) << "whether the body comes nobody knows";
  expect_connection_as_announced(client, response);
}

TEST_F(ExpectTest, a_get_that_waits_is_answered) {
  HttpClient client = connect();
  client.send(
      "GET /hello.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
      "Expect: 100-Continue\r\n\r\n");
  const Response response = client.read_response();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "hello\n");
}

TEST_F(ExpectTest, without_a_body_there_is_nothing_to_wait_for) {
  HttpClient client = connect();
  for (int i = 0; i < 2; ++i) {
    const Response response = client.get("/hello.txt", {{"Expect", "100-continue"}});
    EXPECT_EQ(response.status, 200);
    EXPECT_TRUE(response.keeps_alive());
  }
}

TEST_F(ExpectTest, another_expectation_is_417) {
  for (const char* expectation : {"wonders", "100-continue, wonders", "200-ok"}) {
    HttpClient client = connect();
    const Response response = client.get("/hello.txt", {{"Expect", expectation}});
    EXPECT_EQ(response.status, 417) << expectation;
    expect_connection_as_announced(client, response);
  }
}

TEST_F(ExpectTest, an_http_1_0_client_expects_nothing) {
  HttpClient client = connect();
  client.send("GET /hello.txt HTTP/1.0\r\nExpect: wonders\r\n\r\n");
  EXPECT_EQ(client.read_response().status, 200);
  HttpClient other = connect();
  other.send("PUT /hello.txt HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc");
  EXPECT_EQ(other.read_response("PUT").status, 405);
}

}  // namespace
