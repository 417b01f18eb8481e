// The parser wrapper: requests in any chunking, and the status that answers each malformed one.
#include "server/http/request_parser.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "server/http/limits.h"

namespace ringserve::http {
namespace {

using State = RequestParser::State;

// Feeds everything, `step` bytes at a time; returns how many bytes the parser took.
size_t feed_in_steps(RequestParser& parser, std::string_view text, size_t step) {
  size_t at = 0;
  while (at < text.size() && parser.state() == State::incomplete) {
    const size_t end = std::min(text.size(), at + step);
    const size_t taken = parser.feed(std::span(text.data() + at, end - at));
    at += taken;
    if (taken == 0) break;
  }
  return at;
}

// 200 for a request that is complete, 0 for one that is not yet, else the status that refuses it.
int verdict(std::string_view text, size_t step) {
  RequestParser parser;
  feed_in_steps(parser, text, step);
  if (parser.state() == State::complete) return 200;
  return parser.state() == State::failed ? parser.error_status() : 0;
}

struct Case {
  const char* name;
  int expected;
  std::string text;
};

class Verdict : public testing::TestWithParam<Case> {};

TEST_P(Verdict, is_the_same_in_every_chunking) {
  const Case& c = GetParam();
  for (const size_t step : {size_t{1}, size_t{2}, size_t{3}, size_t{7}, c.text.size()}) {
    EXPECT_EQ(verdict(c.text, step), c.expected) << "in steps of " << step;
  }
}

const std::string kGet = "GET / HTTP/1.1\r\nHost: a\r\n";
const std::string kChunked = kGet + "Transfer-Encoding: chunked\r\n\r\n";

INSTANTIATE_TEST_SUITE_P(
    request_parser, Verdict,
    testing::Values(
        Case{"plain", 200, kGet + "\r\n"}, Case{"head", 200, "HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n"},
        Case{"http_1_0_without_host", 200, "GET / HTTP/1.0\r\n\r\n"},
        Case{"leading_empty_line", 200, "\r\n" + kGet + "\r\n"},
        Case{"content_length_body", 200, kGet + "Content-Length: 3\r\n\r\nabc"},
        Case{"body_that_looks_folded", 200, kGet + "Content-Length: 3\r\n\r\n\n x"},
        Case{"chunked_body", 200, kGet + "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"},
        Case{"trailers", 200,
             kGet + "Transfer-Encoding: chunked\r\n\r\n0\r\nHost: b\r\nRange: c\r\n\r\n"},
        Case{"upgrade_is_ignored", 200, kGet + "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"},
        Case{"options_star", 200, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"},
        Case{"unfinished", 0, kGet}, Case{"no_host", 400, "GET / HTTP/1.1\r\n\r\n"},
        Case{"two_hosts", 400, kGet + "Host: a\r\n\r\n"},
        Case{"bare_lf", 400, "GET / HTTP/1.1\nHost: a\n\n"},
        Case{"bare_cr", 400, "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n"},
        Case{"obs_fold_space", 400, kGet + "X: a\r\n b\r\n\r\n"},
        Case{"obs_fold_tab", 400, kGet + "X: a\r\n\tb\r\n\r\n"},
        Case{"obs_fold_of_empty_value", 400, kGet + "X:\r\n b\r\n\r\n"},
        Case{"space_before_colon", 400, kGet + "X : a\r\n\r\n"},
        Case{"empty_field_name", 400, kGet + ": a\r\n\r\n"},
        Case{"field_without_colon", 400, kGet + "X\r\n\r\n"},
        Case{"nul_in_value", 400, kGet + std::string("X: a\0b\r\n\r\n", 10)},
        Case{"control_in_value", 400, kGet + "X: a\x01z\r\n\r\n"},
        Case{"two_content_lengths", 400, kGet + "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx"},
        Case{"list_of_content_lengths", 400, kGet + "Content-Length: 1, 1\r\n\r\nx"},
        Case{"signed_content_length", 400, kGet + "Content-Length: +1\r\n\r\nx"},
        Case{"length_and_encoding", 400,
             kGet + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        Case{"length_and_empty_encoding", 400,
             kGet + "Content-Length: 1\r\nTransfer-Encoding:\r\n\r\nx"},
        Case{"empty_encoding", 400, kGet + "Transfer-Encoding:\r\n\r\n"},
        Case{"encoding_in_http_1_0", 400,
             "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        Case{"blank_behind_encoding", 200, kGet + "Transfer-Encoding: chunked \r\n\r\n0\r\n\r\n"},
        Case{"host_that_is_none", 400, "GET / HTTP/1.1\r\nHost: a b/c\r\n\r\n"},
        Case{"host_with_a_user", 400, "GET / HTTP/1.1\r\nHost: user@a\r\n\r\n"},
        Case{"host_with_a_port_that_is_none", 400, "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n"},
        Case{"host_of_an_ipv6_address", 200, "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"},
        Case{"empty_host", 200, "GET / HTTP/1.1\r\nHost:\r\n\r\n"},
        Case{"empty_host_and_another", 400, "GET / HTTP/1.1\r\nHost:\r\nHost: a\r\n\r\n"},
        Case{"expectation", 200, kGet + "Expect: 100-continue\r\n\r\n"},
        Case{"unknown_expectation", 417, kGet + "Expect: wonders\r\n\r\n"},
        Case{"unknown_expectation_in_a_list", 417, kGet + "Expect: 100-continue, x\r\n\r\n"},
        Case{"unknown_expectation_in_two_lines", 417,
             kGet + "Expect: 100-continue\r\nExpect: x=y\r\n\r\n"},
        Case{"unknown_expectation_of_http_1_0", 200, "GET / HTTP/1.0\r\nExpect: wonders\r\n\r\n"},
        Case{"bare_lf_at_the_end", 400, kGet + "\n"},
        Case{"bare_lf_after_a_field", 400, kGet + "X: a\nY: b\r\n\r\n"},
        Case{"encoding_not_chunked_last", 400, kGet + "Transfer-Encoding: chunked, gzip\r\n\r\n"},
        Case{"unknown_encoding", 501, kGet + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"},
        Case{"unknown_method", 501, "BREW / HTTP/1.1\r\nHost: a\r\n\r\n"},
        Case{"method_of_known_beginning", 501, "GETX / HTTP/1.1\r\nHost: a\r\n\r\n"},
        Case{"tls_hello", 400, std::string("\x16\x03\x01\x00\xa5\x01", 6)},
        Case{"http_0_9", 400, "GET /\r\n\r\n"},
        Case{"http_2", 505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"},
        Case{"http_3", 505, "GET / HTTP/3.0\r\nHost: a\r\n\r\n"},
        Case{"space_in_target", 400, "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"},
        Case{"raw_byte_in_target", 400, "GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n"},
        Case{"rtsp", 400, "GET / RTSP/1.0\r\nHost: a\r\n\r\n"},
        Case{"ice", 400, "SOURCE / ICE/1.0\r\nHost: a\r\n\r\n"},
        Case{"two_spaces_before_the_target", 400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"},
        Case{"two_spaces_behind_the_target", 400, "GET /  HTTP/1.1\r\nHost: a\r\n\r\n"},
        Case{"some_empty_lines", 200, "\r\n\n\r\n" + kGet + "\r\n"},
        Case{"many_empty_lines", 400, std::string(17, '\n') + kGet + "\r\n"},
        Case{"bare_cr_first", 400, "\r" + kGet + "\r\n"},
        Case{"two_cr_first", 400, "\r\r\n" + kGet + "\r\n"},
        Case{"bare_lf_behind_the_last_chunk", 400, kChunked + "0\r\n\n"},
        Case{"bare_lf_in_a_trailer", 400, kChunked + "0\r\nX: y\n\r\n"},
        Case{"folded_trailer", 400, kChunked + "0\r\nX: y\r\n z\r\n\r\n"},
        Case{"trailer_without_a_name", 400, kChunked + "0\r\n: y\r\n\r\n"},
        Case{"chunk_of_any_bytes", 200, kChunked + "4\r\n\n \n\t\r\n0\r\n\r\n"},
        Case{"chunk_extension", 200, kChunked + "1;a=b\r\nx\r\n0;c\r\n\r\n"},
        Case{"chunk_too_large", 413, kChunked + "100001\r\n"},
        Case{"chunk_of_all_bits", 413, kChunked + "ffffffffffffffff\r\n"},
        Case{"chunk_that_overflows", 400, kChunked + "10000000000000000\r\n"},
        Case{"body_too_large", 413, kGet + "Content-Length: 1048577\r\n\r\n"}),
    [](const auto& param_info) { return param_info.param.name; });

TEST(RequestParser, keeps_the_fields_a_file_server_needs) {
  RequestParser parser;
  feed_in_steps(parser,
                "GET /a?b HTTP/1.1\r\nhost: x\r\nRANGE: bytes=0-1\r\nIf-Range: \"e\"\r\n"
                "If-None-Match: \"a\"\r\nIf-None-Match: \"b\"\r\nIf-Modified-Since: now\r\n"
                "If-Match: *\r\nIf-Unmodified-Since: then\r\nX-Other: y\r\n\r\n",
                5);
  ASSERT_EQ(parser.state(), State::complete);
  const Request& request = parser.request();
  EXPECT_EQ(request.method, Method::get);
  EXPECT_EQ(request.target, "/a?b");
  EXPECT_EQ(request.range, "bytes=0-1");
  EXPECT_EQ(request.if_range, "\"e\"");
  EXPECT_EQ(request.if_none_match, "\"a\", \"b\"");
  EXPECT_EQ(request.if_modified_since, "now");
  EXPECT_EQ(request.if_match, "*");
  EXPECT_EQ(request.if_unmodified_since, "then");
  EXPECT_TRUE(request.keep_alive);
}

TEST(RequestParser, keeps_what_the_client_is_and_likes) {
  RequestParser parser;
  feed_in_steps(parser,
                "GET / HTTP/1.1\r\nHOST:  www.Example.org:80 \r\nAccept: text/html\r\n"
                "aCCEPT-eNCODING: gzip\r\nAccept-Encoding: br\r\nAccept-Language: en\r\n"
                "Origin: https://a.example\r\nReferer: /x\r\nUser-Agent: me\r\n\r\n",
                4);
  ASSERT_EQ(parser.state(), State::complete);
  const Request& request = parser.request();
  EXPECT_EQ(request.host, "www.Example.org:80");
  EXPECT_EQ(request.accept, "text/html");
  EXPECT_EQ(request.accept_encoding, "gzip, br");
  EXPECT_EQ(request.origin, "https://a.example");
  EXPECT_EQ(request.referer, "");
  EXPECT_EQ(request.user_agent, "");
}

TEST(RequestParser, keeps_what_a_log_needs_when_told_to) {
  const std::string text = kGet + "Referer: /x\r\nUser-Agent: me (you)\r\n\r\n";
  RequestParser parser;
  parser.keep_log_fields(true);
  for (int i = 0; i < 2; ++i) {
    feed_in_steps(parser, text, 3);
    ASSERT_EQ(parser.state(), State::complete);
    EXPECT_EQ(parser.request().referer, "/x");
    EXPECT_EQ(parser.request().user_agent, "me (you)");
    parser.reset();
  }
  parser.keep_log_fields(false);
  feed_in_steps(parser, text, 3);
  EXPECT_EQ(parser.request().referer, "");
}

TEST(RequestParser, takes_no_field_for_another_of_the_same_length) {
  // Same length, first and fourth letter as a field that is kept.
  RequestParser parser;
  feed_in_steps(parser,
                kGet +
                    "hoxt: x\r\nraxge: x\r\nif-raxge: x\r\nif-mxtch: x\r\nif-nxne-match: x\r\n"
                    "axcept-encoding: x\r\nTransfer-Encodinx: x\r\nExpxct: x\r\nX: x\r\nRan: x\r\n"
                    "if-unmodified-since-the-beginning: x\r\n\r\n",
                1000);
  ASSERT_EQ(parser.state(), State::complete);
  const Request& request = parser.request();
  EXPECT_EQ(request.host, "a");
  for (const std::string& text :
       {request.range, request.if_range, request.if_match, request.if_none_match,
        request.accept_encoding, request.if_unmodified_since}) {
    EXPECT_EQ(text, "");
  }
}

TEST(RequestParser, forgets_every_field_with_its_request) {
  RequestParser parser;
  parser.keep_log_fields(true);
  feed_in_steps(parser,
                kGet +
                    "Range: r\r\nIf-Range: r\r\nIf-Match: m\r\nIf-None-Match: n\r\n"
                    "If-Modified-Since: s\r\nIf-Unmodified-Since: u\r\nAccept: a\r\n"
                    "Accept-Encoding: e\r\nOrigin: o\r\nReferer: r\r\nUser-Agent: u\r\n"
                    "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                1000);
  ASSERT_EQ(parser.state(), State::complete);
  parser.reset();
  const std::string plain = "GET /b HTTP/1.0\r\n\r\n";
  feed_in_steps(parser, plain, 1000);
  ASSERT_EQ(parser.state(), State::complete);
  const Request& r = parser.request();
  EXPECT_EQ(r.target, "/b");
  EXPECT_FALSE(r.expects_continue);
  for (const std::string& text :
       {r.host, r.range, r.if_range, r.if_match, r.if_none_match, r.if_modified_since,
        r.if_unmodified_since, r.accept, r.accept_encoding, r.origin, r.referer, r.user_agent}) {
    EXPECT_EQ(text, "");
  }
}

TEST(RequestParser, survives_the_same_empty_field_a_thousand_times) {
  std::string text = kGet;
  for (int i = 0; i < 1000; ++i) text += "Range:\r\n";
  RequestParser parser;
  feed_in_steps(parser, text + "\r\n", 1000);
  ASSERT_EQ(parser.state(), State::complete);
  EXPECT_EQ(parser.request().range, "");
}

TEST(RequestParser, names_the_method) {
  const auto method = [](const std::string& name, Method expected) {
    RequestParser parser;
    feed_in_steps(parser, name + " / HTTP/1.1\r\nHost: a\r\n\r\n", 2);
    EXPECT_EQ(parser.state(), State::complete) << name;
    EXPECT_EQ(parser.request().method, expected) << name;
    EXPECT_EQ(parser.request().method_name, name);
  };
  method("GET", Method::get);
  method("HEAD", Method::head);
  method("OPTIONS", Method::options);
  method("POST", Method::other);
  method("PROPFIND", Method::other);
}

TEST(RequestParser, knows_the_method_of_a_request_that_it_refuses) {
  RequestParser parser;
  feed_in_steps(parser, "HEAD /" + std::string(kTargetBytesMax, 'x') + " HTTP/1.1\r\n", 4096);
  ASSERT_EQ(parser.state(), State::failed);
  EXPECT_EQ(parser.request().method, Method::head);
  EXPECT_EQ(parser.request().method_name, "HEAD");
  RequestParser other;
  feed_in_steps(other, "BREW / HTTP/1.1\r\n", 4096);
  ASSERT_EQ(other.state(), State::failed);
  EXPECT_EQ(other.request().method_name, "");
}

TEST(RequestParser, knows_who_wants_to_keep_the_connection) {
  const auto keeps = [](std::string_view text) {
    RequestParser parser;
    feed_in_steps(parser, text, text.size());
    EXPECT_EQ(parser.state(), State::complete) << text;
    return parser.request().keep_alive;
  };
  EXPECT_TRUE(keeps(kGet + "\r\n"));
  EXPECT_FALSE(keeps(kGet + "Connection: close\r\n\r\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_TRUE(keeps("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
}

TEST(RequestParser, stops_at_the_end_of_a_request) {
  const std::string one = kGet + "Content-Length: 2\r\n\r\nhi";
  const std::string two = one + kGet + "\r\n";
  RequestParser parser;
  const size_t taken = parser.feed(std::span(two.data(), two.size()));
  EXPECT_EQ(taken, one.size());
  EXPECT_EQ(parser.state(), State::complete);
  parser.reset();
  EXPECT_FALSE(parser.started());
  EXPECT_EQ(feed_in_steps(parser, two.substr(taken), 100), two.size() - taken);
  EXPECT_EQ(parser.state(), State::complete);
  EXPECT_TRUE(parser.request().range.empty());
}

TEST(RequestParser, has_not_started_with_an_empty_line) {
  RequestParser parser;
  EXPECT_EQ(feed_in_steps(parser, "\r\n\r\n", 3), 4u);
  EXPECT_FALSE(parser.started());
  feed_in_steps(parser, "G", 1);
  EXPECT_TRUE(parser.started());
}

TEST(RequestParser, trims_values) {
  RequestParser parser;
  feed_in_steps(parser, kGet + "Range:  bytes=0-1 \t \r\n\r\n", 1);
  EXPECT_EQ(parser.request().range, "bytes=0-1");
}

TEST(RequestParser, limits_the_head) {
  const std::string filler(kHeadBytesMax, 'x');
  EXPECT_EQ(verdict(kGet + "X: " + filler + "\r\n\r\n", 1000), 431);
  EXPECT_EQ(verdict(kGet + "X: " + filler, 4096), 431) << "before the head is complete";
  std::string fits = kGet + "X: ";
  fits.append(kHeadBytesMax - fits.size() - 4, 'x');
  EXPECT_EQ(verdict(fits + "\r\n\r\n", 4096), 200);
  EXPECT_EQ(verdict(fits + "x\r\n\r\n", 4096), 431);
}

TEST(RequestParser, limits_the_target) {
  EXPECT_EQ(verdict("GET /" + std::string(kTargetBytesMax - 1, 'x') + " HTTP/1.0\r\n\r\n", 999),
            200);
  EXPECT_EQ(verdict("GET /" + std::string(kTargetBytesMax, 'x') + " HTTP/1.0\r\n\r\n", 999), 414);
}

TEST(RequestParser, limits_a_chunked_body) {
  std::string text = kGet + "Transfer-Encoding: chunked\r\n\r\n";
  const std::string chunk = "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
  for (size_t bytes = 0; bytes <= kBodyBytesMax; bytes += 0x10000) text += chunk;
  EXPECT_EQ(verdict(text, 4096), 413);
}

TEST(RequestParser, limits_what_a_chunked_body_is_framed_with) {
  const std::string many(kFramingBytesMax, 'a');
  EXPECT_EQ(verdict(kChunked + "1;" + many, 4096), 413);
  EXPECT_EQ(verdict(kChunked + "0\r\nX: " + many, 4096), 413);
  EXPECT_EQ(verdict(kChunked + "0\r\n" + many, 4096), 413);
  std::string small_chunks = kChunked;
  for (size_t bytes = 0; bytes <= kFramingBytesMax; bytes += 5) small_chunks += "1\r\nx\r\n";
  EXPECT_EQ(verdict(small_chunks, 4096), 413);
  EXPECT_EQ(verdict(kChunked + "1;" + many.substr(100) + "\r\nx\r\n0\r\n\r\n", 4096), 200);
}

TEST(RequestParser, says_when_a_client_waits_before_its_body) {
  RequestParser parser;
  feed_in_steps(parser, kGet + "Content-Length: 5\r\nExpect: 100-Continue\r\n\r\n", 9);
  EXPECT_EQ(parser.state(), State::incomplete);
  EXPECT_TRUE(parser.in_body());
  EXPECT_TRUE(parser.request().expects_continue);
}

TEST(RequestParser, lets_no_http_1_0_client_wait) {
  RequestParser parser;
  feed_in_steps(parser, "PUT / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", 9);
  EXPECT_TRUE(parser.in_body());
  EXPECT_FALSE(parser.request().expects_continue);
}

}  // namespace
}  // namespace ringserve::http
