// Requests that are wrong, each in one way. Every one is answered with its status, said to be
// the last on the connection, and followed by the end of it; and the server goes on.
#include "tests/support/server_test.h"

namespace {

using namespace support;
using namespace std::string_literals;

struct Malformed {
  const char* name;
  std::string bytes;
  int status;
  // Where the rules contradict each other, or the first error found decides.
  int other_status = 0;
};

void PrintTo(const Malformed& malformed, std::ostream* out) { *out << malformed.name; }

std::string with(const std::string& fields) {
  return "GET /hello.txt HTTP/1.1\r\nHost: test\r\n" + fields + "\r\n";
}

std::string start(const std::string& line) { return line + "\r\nHost: test\r\n\r\n"; }

const std::vector<Malformed>& malformed_requests() {
  static const std::vector<Malformed> requests{
      {"no_host", "GET /hello.txt HTTP/1.1\r\n\r\n", 400},
      {"two_hosts", with("Host: other\r\n"), 400},
      {"two_equal_hosts", with("Host: test\r\n"), 400},
      {"two_content_lengths", with("Content-Length: 1\r\nContent-Length: 2\r\n") + "x", 400},
      {"two_equal_content_lengths", with("Content-Length: 1\r\nContent-Length: 1\r\n") + "x", 400},
      {"a_list_of_content_lengths", with("Content-Length: 1, 1\r\n") + "x", 400},
      {"content_length_and_transfer_encoding",
       with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n", 400},
      {"transfer_encoding_and_content_length",
       with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n") + "0\r\n\r\n", 400},
      {"a_negative_content_length", with("Content-Length: -1\r\n"), 400},
      {"a_signed_content_length", with("Content-Length: +1\r\n") + "x", 400},
      {"a_hexadecimal_content_length", with("Content-Length: 0x1\r\n") + "x", 400},
      {"an_empty_content_length", with("Content-Length: \r\n"), 400},
      {"a_transfer_coding_that_is_not_chunked", with("Transfer-Encoding: zip\r\n"), 501, 400},
      {"a_transfer_coding_before_chunked", with("Transfer-Encoding: gzip, chunked\r\n"), 501},
      {"obsolete_folding", with("X-Folded: one\r\n two\r\n"), 400},
      {"obsolete_folding_by_tab", with("X-Folded: one\r\n\ttwo\r\n"), 400},
      {"a_bare_cr_in_a_value", with("X-Bare: one\rtwo\r\n"), 400},
      {"a_bare_lf_after_the_start_line", "GET /hello.txt HTTP/1.1\nHost: test\r\n\r\n", 400},
      {"a_bare_lf_after_a_field", "GET /hello.txt HTTP/1.1\r\nHost: test\nX-Other: 1\r\n\r\n", 400},
      {"a_bare_lf_at_the_end", "GET /hello.txt HTTP/1.1\r\nHost: test\r\n\n", 400},
      {"a_nul_in_a_value", with("X-Nul: a\0b\r\n"s), 400},
      {"a_nul_in_a_name", with("X-N\0l: a\r\n"s), 400},
      {"a_nul_in_the_target", start("GET /hel\0lo HTTP/1.1"s), 400},
      {"a_space_before_the_colon", with("X-Space : 1\r\n"), 400},
      {"a_space_before_the_colon_of_content_length", with("Content-Length : 5\r\n") + "12345", 400},
      {"a_space_before_the_first_field", "GET /hello.txt HTTP/1.1\r\n Host: test\r\n\r\n", 400},
      {"a_field_without_a_name", with(": value\r\n"), 400},
      {"a_field_without_a_colon", with("NoColonHere\r\n"), 400},
      {"a_name_that_is_no_token", with("X(Y): 1\r\n"), 400},
      {"no_target", start("GET HTTP/1.1"), 400},
      {"a_target_with_a_space", start("GET /hello .txt HTTP/1.1"), 400},
      {"no_version", start("GET /hello.txt"), 400},
      {"a_version_that_is_none", start("GET /hello.txt HTTP/x.y"), 400, 505},
      {"another_protocol", start("GET /hello.txt ICY/1.1"), 400},
      {"http_2", start("GET /hello.txt HTTP/2.0"), 505},
      {"http_3", start("GET /hello.txt HTTP/3.0"), 505},
      {"the_preface_of_http_2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, 400},
      {"a_percent_without_digits", start("GET /% HTTP/1.1"), 400},
      {"a_percent_with_one_digit", start("GET /%4 HTTP/1.1"), 400},
      {"a_percent_with_wrong_digits", start("GET /%zz HTTP/1.1"), 400},
      {"an_encoded_nul", start("GET /hello.txt%00.png HTTP/1.1"), 400},
      {"a_climb_above_the_root", start("GET /../etc/passwd HTTP/1.1"), 400},
      {"an_encoded_climb", start("GET /%2e%2E/etc/passwd HTTP/1.1"), 400},
      {"a_later_climb", start("GET /a/../../etc/passwd HTTP/1.1"), 400},
      {"a_target_that_does_not_start_with_a_slash", start("GET hello.txt HTTP/1.1"), 400},
      {"a_target_beyond_8_kib", start("GET /" + std::string(9000, 'a') + " HTTP/1.1"), 414},
      {"one_field_beyond_16_kib", with("X-Long: " + std::string(17'000, 'a') + "\r\n"), 431},
      {"an_endless_field_name", "GET / HTTP/1.1\r\n" + std::string(20'000, 'a'), 431, 400},
      {"an_endless_target", "GET /" + std::string(20'000, 'a'), 414},
  };
  return requests;
}

class MalformedRequest : public ServerTest, public ::testing::WithParamInterface<Malformed> {
 protected:
  void SetUp() override { tree().write("hello.txt", "hello"); }

  void expect_refusal(HttpClient& client) {
    const Response response = client.read_response();
    if (response.status != GetParam().other_status) {
      EXPECT_EQ(response.status, GetParam().status);
    }
    EXPECT_LT(response.body.size(), 1024U);
    EXPECT_FALSE(response.keeps_alive());
    expect_connection_as_announced(client, response);
  }
};

TEST_P(MalformedRequest, is_refused_and_the_connection_closed) {
  serve();
  HttpClient client = connect();
  client.send(GetParam().bytes);
  expect_refusal(client);
  expect_alive();
}

TEST_P(MalformedRequest, is_refused_behind_a_good_one_which_is_answered) {
  serve();
  HttpClient client = connect();
  client.send(request("GET", "/hello.txt") + GetParam().bytes);
  EXPECT_EQ(client.read_response().status, 200);
  expect_refusal(client);
}

TEST_P(MalformedRequest, takes_what_comes_behind_with_it) {
  serve();
  HttpClient client = connect();
  // What follows a broken message may be part of it: none of it is a request.
  client.send(GetParam().bytes);
  client.send_if_possible(request("GET", "/hello.txt"));
  expect_refusal(client);
}

INSTANTIATE_TEST_SUITE_P(malformed, MalformedRequest, ::testing::ValuesIn(malformed_requests()),
                         [](const auto& each) { return std::string(each.param.name); });

class HeadLimits : public ServerTest {};

TEST_F(HeadLimits, a_head_just_below_16_kib_is_accepted) {
  tree().write("hello.txt", "hello");
  serve();
  HttpClient client = connect();
  const std::size_t rest = request("GET", "/hello.txt", {{"X-Long", ""}}).size();
  const std::string filler(16384 - rest - 1, 'a');
  EXPECT_EQ(client.get("/hello.txt", {{"X-Long", filler}}).status, 200);
  EXPECT_EQ(client.get("/hello.txt", {{"X-Long", filler}}).status, 200);
}

TEST_F(HeadLimits, a_target_just_below_8_kib_is_looked_up) {
  tree().write("hello.txt", "hello");
  serve();
  EXPECT_EQ(get("/hello.txt?" + std::string(8000, 'q')).status, 200);
}

TEST_F(HeadLimits, many_short_fields_are_within_the_limit) {
  tree().write("hello.txt", "hello");
  serve();
  Headers headers;
  for (int i = 0; i < 90; ++i) headers.emplace_back("X-" + std::to_string(i), "value");
  EXPECT_EQ(get("/hello.txt", headers).status, 200);
}

TEST_F(HeadLimits, a_client_that_never_stops_its_head_is_refused) {
  serve();
  HttpClient client = connect();
  client.send("GET / HTTP/1.1\r\nHost: test\r\n");
  const std::string field = "X-More: " + std::string(1000, 'a') + "\r\n";
  for (int i = 0; i < 100'000; ++i) {
    if (client.readable() || !client.send_if_possible(field)) break;
  }
  // It must be refused long before 100 MB; the refusal itself may be lost with the reset that
  // answers what was still under way.
  EXPECT_TRUE(client.readable());
  expect_alive();
}

}  // namespace
