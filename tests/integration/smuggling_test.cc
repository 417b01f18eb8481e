// Request smuggling: bytes that two parsers may read as different requests. Behind each of them
// stands a request for a file of its own. Where the bytes are refused that request is never
// answered, and where they are accepted it is answered exactly where RFC 9112 says it begins;
// however the bytes are cut into segments.
#include "tests/support/server_test.h"

namespace {

using namespace support;
using namespace std::string_literals;

constexpr std::string_view kSecondBody = "the second file";

struct Trick {
  std::string bytes;  // up to where the second request is said to begin
  int status;         // of the first response
  int other_status = 0;
};

std::string shown(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    if (c >= ' ' && c < '\x7f') {
      text += c;
    } else {
      constexpr char kDigits[] = "0123456789abcdef";
      const auto byte = static_cast<unsigned char>(c);
      text += {'\\', 'x', kDigits[byte / 16], kDigits[byte % 16]};
    }
  }
  return text;
}

std::string post(const std::string& fields) {
  return "POST /first HTTP/1.1\r\nHost: test\r\n" + fields + "\r\n\r\n";
}
std::string chunked(const std::string& body) { return post("Transfer-Encoding: chunked") + body; }
std::string coded(const std::string& value) {
  return post("Transfer-Encoding:" + value) + "0\r\n\r\n";
}
std::string of_length(const std::string& value) {
  return post("Content-Length:" + value) + "12345";
}

class SmugglingTest : public ServerTest {
 protected:
  void SetUp() override {
    tree().write("first", "the first file");
    tree().write("second", kSecondBody);
  }

  static std::string second() { return request("GET", "/second"); }

  // Everything the server says to these bytes, the client having ended its side.
  std::string answers_to(const std::string& bytes, bool in_pieces) {
    HttpClient client = connect();
    if (in_pieces) {
      for (const char c : bytes) {
        if (!client.send_if_possible({&c, 1})) break;
      }
    } else {
      client.send_if_possible(bytes);
    }
    client.half_close();
    return client.read_to_end().bytes;
  }

  static std::size_t count_of_responses(const std::string& answers) {
    std::size_t count = 0;
    for (std::size_t at = 0; (at = answers.find("HTTP/1.1 ", at)) != std::string::npos; ++at) {
      ++count;
    }
    return count;
  }

  void expect_refused(const Trick& trick) {
    for (const bool in_pieces : {false, true}) {
      const std::string answers = answers_to(trick.bytes + second(), in_pieces);
      const std::string what = shown(trick.bytes) + (in_pieces ? " in pieces" : "");
      EXPECT_EQ(count_of_responses(answers), 1U) << what;
      EXPECT_EQ(answers.find(kSecondBody), std::string::npos) << what;
      const std::string line = answers.substr(0, answers.find('\r'));
      if (trick.other_status == 0 ||
          !line.starts_with("HTTP/1.1 " + std::to_string(trick.other_status))) {
        EXPECT_TRUE(line.starts_with("HTTP/1.1 " + std::to_string(trick.status))) << what << line;
      }
      EXPECT_NE(answers.find("\r\nConnection: close\r\n"), std::string::npos) << what;
    }
  }

  // One response for the trick, one for what stands behind it.
  void expect_taken(const Trick& trick) {
    for (const bool in_pieces : {false, true}) {
      const std::string answers = answers_to(trick.bytes + second(), in_pieces);
      const std::string what = shown(trick.bytes) + (in_pieces ? " in pieces" : "");
      EXPECT_EQ(count_of_responses(answers), 2U) << what;
      EXPECT_TRUE(answers.starts_with("HTTP/1.1 " + std::to_string(trick.status))) << what;
      EXPECT_TRUE(answers.ends_with(kSecondBody)) << what;
    }
  }
};

TEST_F(SmugglingTest, a_transfer_encoding_that_is_spelt_oddly_is_refused) {
  serve();
  for (const std::string& value : {" xchunked"s,
                                   " chunked, chunked"s,
                                   " chunked\x0b"s,
                                   "\x0b"
                                   "chunked"s,
                                   " \"chunked\""s,
                                   " chunked;q=1"s,
                                   " identity"s,
                                   " chunked,"s,
                                   ""s,
                                   " chunked\0"s,
                                   "\0chunked"s,
                                   " chunk\xc3\xa9"
                                   "d"s,
                                   " chunked identity"s,
                                   " chunked, identity"s,
                                   " chunked\r"s,
                                   "\rchunked"s,
                                   "\nchunked"s,
                                   "\xa0"
                                   "chunked"s,
                                   " chunked\r\nTransfer-Encoding: identity"s,
                                   " chunked\r\nTransfer-Encoding: chunked"s,
                                   " chunked\r\n ,identity"s}) {
    expect_refused({coded(value), 400, 501});
  }
  for (const std::string& value :
       {" identity, chunked"s, " ,chunked"s, " gzip\r\nTransfer-Encoding: chunked"s,
        " cow\r\nTransfer-Encoding: chunked"s}) {
    expect_refused({coded(value), 501});
  }
}

TEST_F(SmugglingTest, a_name_that_is_almost_transfer_encoding_is_refused) {
  serve();
  for (const std::string& name :
       {"Transfer-Encoding "s, "Transfer-Encoding\t"s, " Transfer-Encoding"s,
        "\tTransfer-Encoding"s, "Transfer-Encoding\0"s, "X: x\rTransfer-Encoding"s,
        "X: x\nTransfer-Encoding"s, "Transfer\r-Encoding"s, "X: x\r\n Transfer-Encoding"s,
        "Transfer-Encodin\xe7"s, "\x0bTransfer-Encoding"s, "Transfer-Encoding\r"s,
        "Transfer Encoding"s, "\"Transfer-Encoding\""s, "X: x\0\r\nTransfer-Encoding"s}) {
    expect_refused({post(name + ": chunked") + "0\r\n\r\n", 400});
  }
}

TEST_F(SmugglingTest, a_name_that_only_looks_like_a_framing_field_frames_nothing) {
  serve();
  // No body: what follows the head is the next request, and "0" begins none.
  const std::string answers =
      answers_to(post("Transfer_Encoding: chunked") + "0\r\n\r\n" + second(), false);
  EXPECT_TRUE(answers.starts_with("HTTP/1.1 405")) << answers;
  EXPECT_NE(answers.find("HTTP/1.1 400"), std::string::npos) << answers;
  EXPECT_EQ(answers.find(kSecondBody), std::string::npos);
  for (const char* field :
       {"Transfer_Encoding: chunked", "X-Transfer-Encoding: chunked", "Content_Length: 500",
        "Content-Lengthy: 500", "TE: chunked", "Trailer: Content-Length"}) {
    expect_taken({post(field), 405});
  }
}

TEST_F(SmugglingTest, both_framings_are_refused_in_every_order_and_value) {
  serve();
  for (const char* length : {"0", "5", "13", "1000"}) {
    for (const char* coding : {"chunked", "Chunked", "identity", "x", ""}) {
      const std::string a = "Content-Length: "s + length, b = "Transfer-Encoding: "s + coding;
      const std::string body = "5\r\n12345\r\n0\r\n\r\n";
      expect_refused({post(a + "\r\n" + b) + body, 400, 501});
      expect_refused({post(b + "\r\nX: y\r\n" + a) + body, 400, 501});
    }
  }
}

TEST_F(SmugglingTest, a_transfer_encoding_in_http_1_0_is_refused) {
  serve();
  for (const char* fields : {"", "Connection: keep-alive\r\n", "Host: test\r\n"}) {
    expect_refused(
        {"GET /first HTTP/1.0\r\n"s + fields + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400});
  }
}

TEST_F(SmugglingTest, a_content_length_that_is_no_plain_number_is_refused) {
  serve();
  for (const std::string& value : {" 5, 5"s,
                                   " 5,5"s,
                                   " 5 5"s,
                                   " 1e1"s,
                                   " 5.0"s,
                                   " 0x5"s,
                                   " +5"s,
                                   " -5"s,
                                   " -0"s,
                                   "\x0b"
                                   "5"s,
                                   " 5\x0b"s,
                                   " 5;a"s,
                                   ""s,
                                   " "s,
                                   " \xef\xbc\x95"s,
                                   " 5\0"s,
                                   "\0"
                                   "5"s,
                                   " 5\r"s,
                                   " 5\xa0"s,
                                   " 5\r\nContent-length: 6"s,
                                   " 5\r\ncontent-LENGTH: 5"s,
                                   " 5\r\n 0"s,
                                   " 1_0"s,
                                   " 5,"s,
                                   ",5"s,
                                   " \"5\""s,
                                   " 5\r\nContent-Length:"s,
                                   " 18446744073709551621"s,
                                   " 340282366920938463463374607431768211461"s}) {
    expect_refused({of_length(value), 400});
  }
  expect_refused({of_length(" 4294967301"), 413});  // 5, in 32 bits
}

TEST_F(SmugglingTest, a_body_of_plain_length_is_skipped_exactly) {
  serve();
  for (const char* value : {" 5", "5", "\t5", " 5 ", " 05", " 00000000000000000000000000000005"}) {
    expect_taken({of_length(value), 405});
  }
  expect_taken({post("Content-Length: 0"), 405});
  const std::string inner = second();
  expect_taken({post("Content-Length: " + std::to_string(inner.size())) + inner, 405});
}

TEST_F(SmugglingTest, a_chunked_body_is_skipped_exactly) {
  serve();
  const std::string inner = second();
  const std::string hex_size = "24";
  ASSERT_EQ(inner.size(), 0x24U) << "the chunk size below is made for it";
  for (const std::string& body :
       {"0\r\n\r\n"s, "00\r\n\r\n"s, "5\r\n12345\r\n0\r\n\r\n"s,
        "0000000000000000000000000005\r\n12345\r\n0\r\n\r\n"s,
        "5;name=value\r\n12345\r\n0;last\r\n\r\n"s, "5;name=\"quoted\"\r\n12345\r\n0\r\n\r\n"s,
        "0\r\nTrailer: value\r\nAnother: one\r\n\r\n"s,
        // What a trailer says of framing is said too late.
        "0\r\nContent-Length: 50\r\n\r\n"s, "0\r\nHost: other\r\nHost: more\r\n\r\n"s,
        hex_size + "\r\n" + inner + "\r\n0\r\n\r\n",
        "024\r\n" + inner + "\r\n" + hex_size + "\r\n" + inner + "\r\n0\r\n\r\n"}) {
    expect_taken({chunked(body), 405});
  }
}

TEST_F(SmugglingTest, a_chunk_that_is_malformed_is_refused) {
  serve();
  for (const std::string& body : {"5\n12345\r\n0\r\n\r\n"s,
                                  "5\r\n12345\n0\r\n\r\n"s,
                                  "5\r\n123450\r\n\r\n"s,
                                  "5\r12345\r\n0\r\n\r\n"s,
                                  "5 \r\n12345\r\n0\r\n\r\n"s,
                                  " 5\r\n12345\r\n0\r\n\r\n"s,
                                  "5\t\r\n12345\r\n0\r\n\r\n"s,
                                  "+5\r\n12345\r\n0\r\n\r\n"s,
                                  "-5\r\n12345\r\n0\r\n\r\n"s,
                                  "0x5\r\n12345\r\n0\r\n\r\n"s,
                                  "5;a=\"b\r\nc\"\r\n12345\r\n0\r\n\r\n"s,
                                  "5;a\nb\r\n12345\r\n0\r\n\r\n"s,
                                  "5;a\rb\r\n12345\r\n0\r\n\r\n"s,
                                  "5;a\0b\r\n12345\r\n0\r\n\r\n"s,
                                  ";a\r\n12345\r\n0\r\n\r\n"s,
                                  "\r\n12345\r\n0\r\n\r\n"s,
                                  "g\r\n12345\r\n0\r\n\r\n"s,
                                  "1\r\n12345\r\n0\r\n\r\n"s,
                                  "5\x0b\r\n12345\r\n0\r\n\r\n"s,
                                  "10000000000000000\r\n12345\r\n0\r\n\r\n"s,
                                  "10000000000000005\r\n12345\r\n0\r\n\r\n"s,
                                  "5,5\r\n12345\r\n0\r\n\r\n"s,
                                  "5.\r\n12345\r\n0\r\n\r\n"s}) {
    expect_refused({chunked(body), 400});
  }
}

TEST_F(SmugglingTest, a_chunk_beyond_the_limit_is_refused_by_its_size) {
  serve();
  for (const char* size : {"100001", "7fffffff", "80000000", "ffffffff", "100000005",
                           "7fffffffffffffff", "8000000000000005", "ffffffffffffffff"}) {
    expect_refused({chunked(size + "\r\n12345\r\n0\r\n\r\n"s), 413});
  }
}

TEST_F(SmugglingTest, trailers_end_their_lines_like_a_head) {
  serve();
  for (const std::string& trailers :
       {"0\r\n\n"s, "0\n\r\n"s, "0\n\n"s, "0\r\r\n"s, "0\r\nX: y\n\r\n"s, "0\r\nX: y\r\n\n"s,
        "0\r\n X: y\r\n\r\n"s, "0\r\nX: y\r\n z\r\n\r\n"s, "0\r\nX : y\r\n\r\n"s,
        "0\r\nX: a\rb\r\n\r\n"s, "0\r\nX: a\0b\r\n\r\n"s, "0\r\nnocolon\r\n\r\n"s,
        "0\r\n: v\r\n\r\n"s}) {
    expect_refused({chunked(trailers), 400});
  }
}

TEST_F(SmugglingTest, extensions_and_trailers_without_end_are_refused) {
  serve();
  constexpr std::size_t kFramingBytes = 100'000;
  for (const std::string& body : {"5;" + std::string(kFramingBytes, 'a') + "\r\n12345\r\n0\r\n\r\n",
                                  "0\r\nX: " + std::string(kFramingBytes, 'a') + "\r\n\r\n",
                                  "0\r\n" + std::string(kFramingBytes, 'a') + ": x\r\n\r\n"}) {
    HttpClient client = connect();
    client.send_if_possible(chunked(body) + second());
    const std::string answers = client.read_to_end().bytes;
    EXPECT_TRUE(answers.empty() || answers.starts_with("HTTP/1.1 413")) << answers;
    EXPECT_EQ(answers.find(kSecondBody), std::string::npos);
  }
  expect_alive();
}

TEST_F(SmugglingTest, a_line_that_does_not_end_in_crlf_is_refused) {
  serve();
  const std::string start = "GET /first HTTP/1.1\r\nHost: test\r\n";
  for (const std::string& head :
       {start + "\rX", start + "\r\r\n", start + "A: b\r\r\n\r\n", start + "A: b\rC: d\r\n\r\n",
        start + "A: b\n\r\n", start + "A: b\r\n\n", start + "A\r: b\r\n\r\n", start + "\0\r\n\r\n"s,
        "GET /first HTTP/1.1\r\r\nHost: test\r\n\r\n"s, "GET /first HTTP/1.1\rHost: test\r\n\r\n"s,
        // Each of these is a way to hide the length of a body from one of two parsers.
        start + "A: x\rContent-Length: 36\r\n\r\n", start + "A: x\nContent-Length: 36\r\n\r\n",
        start + "A: x\0\r\nContent-Length: 36\r\n\r\n"s, start + " Content-Length: 36\r\n\r\n",
        start + "A:\r\n\tContent-Length: 36\r\n\r\n", start + "Content-Length\r\n : 46\r\n\r\n"}) {
    expect_refused({head, 400});
  }
}

TEST_F(SmugglingTest, empty_lines_before_a_request_are_few_and_whole) {
  serve();
  const std::string get = request("GET", "/first");
  expect_taken({"\r\n\r\n" + get, 200});
  expect_refused({"\r\r\n" + get, 400});
  expect_refused({"\r" + get, 400});
  std::string many;
  for (int i = 0; i < 100; ++i) many += "\r\n";
  expect_refused({many + get, 400});
}

TEST_F(SmugglingTest, another_protocol_in_the_place_of_http_is_refused) {
  serve();
  const std::string end = "\r\nHost: test\r\n\r\n";
  for (const std::string& line :
       {"GET /first RTSP/1.0"s, "OPTIONS * RTSP/1.0"s, "DESCRIBE /first RTSP/1.0"s,
        "SOURCE /first ICE/1.0"s, "GET /first http/1.1"s, "GET /first HTTP/1.10"s,
        "GET /first HTTP/1.1 "s, "GET\t/first HTTP/1.1"s, "GET  /first HTTP/1.1"s,
        "GET /first  HTTP/1.1"s, "GET /first   HTTP/1.1"s, "GET /first\tHTTP/1.1"s,
        " GET /first HTTP/1.1"s, "GET /first XHTTP/1.1"s}) {
    expect_refused({line + end, 400});
  }
  for (const char* version : {"0.9", "01.1", "2.0", "3.1", "9.9"}) {
    expect_refused({"GET /first HTTP/"s + version + end, 505, 400});
  }
  // HTTP/0.9 has neither fields nor a status line: it is not spoken.
  expect_refused({"GET /first\r\n", 400});
  expect_refused({"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, 505});
}

TEST_F(SmugglingTest, bodies_are_skipped_whatever_the_method) {
  serve();
  const std::string inner = second();
  const std::string length = "Content-Length: " + std::to_string(inner.size()) + "\r\n\r\n";
  for (const auto& [line, status] :
       {std::pair("GET /first", 200), std::pair("OPTIONS *", 204), std::pair("POST /first", 405),
        std::pair("CONNECT /first", 405), std::pair("TRACE /first", 405)}) {
    const std::string start = std::string(line) + " HTTP/1.1\r\nHost: test\r\n";
    expect_taken({start + length + inner, status});
    expect_taken(
        {start + "Transfer-Encoding: chunked\r\n\r\n24\r\n" + inner + "\r\n0\r\n\r\n", status});
    // No other protocol is spoken, so the body of a request that asks for one is a body.
    expect_taken({start + "Connection: upgrade\r\nUpgrade: h2c\r\n" + length + inner, status});
  }
}

TEST_F(SmugglingTest, conflicting_connection_options_end_it) {
  serve();
  for (const char* fields : {"Connection: close\r\nConnection: keep-alive",
                             "Connection: keep-alive\r\nConnection: close",
                             "Connection: keep-alive, close", "Connection: close, keep-alive"}) {
    const std::string answers = answers_to(
        "GET /first HTTP/1.1\r\nHost: test\r\n"s + fields + "\r\n\r\n" + second(), false);
    EXPECT_EQ(count_of_responses(answers), 1U) << fields;
    EXPECT_EQ(answers.find(kSecondBody), std::string::npos) << fields;
  }
}

}  // namespace
