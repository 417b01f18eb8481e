// Where heads end, how bodies are framed, and what is refused.
#include "client/load/engine/response_parser.h"

#include <gtest/gtest.h>

namespace ringload {
namespace {

using State = ResponseParser::State;

struct Fed {
  State state = State::need_more;
  std::string rest;  // what was not used
  std::string body;  // decoded by the parser
};

// In pieces of `step` bytes.
Fed feed(ResponseParser& parser, std::string_view text, size_t step, bool head_request = false) {
  Fed fed;
  while (!text.empty()) {
    std::string_view piece = text.substr(0, step);
    text.remove_prefix(piece.size());
    std::vector<std::string_view> parts;
    fed.state = parser.feed(piece, head_request, &parts);
    for (const std::string_view part : parts) fed.body += part;
    if (fed.state != State::need_more) {
      fed.rest = std::string(piece) + std::string(text);
      return fed;
    }
  }
  return fed;
}

class Pieces : public testing::TestWithParam<size_t> {};

TEST_P(Pieces, a_head_with_a_length_ends_where_the_body_begins) {
  ResponseParser parser;
  const Fed fed = feed(parser, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", GetParam());
  EXPECT_EQ(fed.state, State::head_complete);
  EXPECT_EQ(fed.rest, "hello");
  EXPECT_EQ(parser.head().content_length, 5U);
  EXPECT_TRUE(parser.head().keep_alive);
}

TEST_P(Pieces, chunks_are_decoded) {
  ResponseParser parser;
  const Fed fed = feed(parser,
                       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nTrailer: x\r\n\r\nHTTP/1.1",
                       GetParam());
  EXPECT_EQ(fed.state, State::message_complete);
  EXPECT_EQ(fed.body, "abcdefg");
  EXPECT_EQ(fed.rest, "HTTP/1.1");
}

TEST_P(Pieces, informational_responses_are_skipped) {
  ResponseParser parser;
  const Fed fed = feed(parser,
                       "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
                       "HTTP/1.1 204 No Content\r\n\r\n",
                       GetParam());
  EXPECT_EQ(fed.state, State::head_complete);
  EXPECT_EQ(parser.head().status, 204U);
  EXPECT_EQ(parser.head().content_length, 0U);
}

TEST_P(Pieces, without_a_length_the_end_of_the_connection_ends_the_body) {
  ResponseParser parser;
  const Fed fed = feed(parser, "HTTP/1.0 200 OK\r\n\r\nall the rest", GetParam());
  EXPECT_EQ(fed.state, State::need_more);
  EXPECT_EQ(fed.body, "all the rest");
  EXPECT_TRUE(parser.complete_at_end());
  EXPECT_FALSE(parser.head().keep_alive);
}

TEST_P(Pieces, half_a_chunked_body_is_not_complete_at_the_end) {
  ResponseParser parser;
  feed(parser, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", GetParam());
  EXPECT_FALSE(parser.complete_at_end());
}

TEST_P(Pieces, the_answer_to_head_has_no_body_whatever_it_says) {
  ResponseParser parser;
  const Fed fed =
      feed(parser, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nHTTP/1.1", GetParam(), true);
  EXPECT_EQ(fed.state, State::head_complete);
  EXPECT_EQ(parser.head().content_length, 0U);
  EXPECT_TRUE(parser.head().keep_alive);
  EXPECT_EQ(fed.rest.substr(0, 4), "HTTP");
}

TEST_P(Pieces, a_partial_answer_says_where_it_begins) {
  ResponseParser parser;
  feed(parser,
       "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 1000-1999/5000\r\n"
       "Content-Length: 1000\r\nContent-Encoding: gzip\r\n\r\n",
       GetParam());
  EXPECT_EQ(parser.head().range_first, 1000U);
  EXPECT_TRUE(parser.head().encoded);
}

TEST_P(Pieces, garbage_is_named) {
  for (const char* text : {"SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 2x0 OK\r\n\r\n",
                           "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
                           "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"}) {
    ResponseParser parser;
    EXPECT_EQ(feed(parser, text, GetParam()).state, State::failed) << text;
    EXPECT_EQ(parser.error().substr(0, 4), "HPE_") << parser.error();
  }
}

TEST_P(Pieces, an_endless_head_is_given_up) {
  ResponseParser parser;
  std::string text = "HTTP/1.1 200 OK\r\n";
  while (text.size() < 2 * kHeadBytesMax) text += "X-Filler: some more of the same\r\n";
  EXPECT_EQ(feed(parser, text, GetParam()).state, State::failed);
  EXPECT_EQ(parser.error(), "HEAD_TOO_LARGE");
}

TEST(ResponseParser, connection_close_ends_keep_alive) {
  ResponseParser parser;
  feed(parser, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 4096);
  EXPECT_FALSE(parser.head().keep_alive);
}

TEST(ResponseParser, nothing_of_the_last_response_is_left_after_reset) {
  ResponseParser parser;
  feed(parser, "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 7\r\n\r\n", 4096);
  parser.reset();
  EXPECT_TRUE(parser.idle());
  feed(parser, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", 4096);
  EXPECT_EQ(parser.head().status, 200U);
  EXPECT_TRUE(parser.head().keep_alive);
}

INSTANTIATE_TEST_SUITE_P(Bytes, Pieces, testing::Values(1, 7, 4096, 1 << 20));

}  // namespace
}  // namespace ringload
