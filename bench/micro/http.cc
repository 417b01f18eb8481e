// The pure part of a request: bytes to Request, target to path, file facts to a reply's head.
#include <benchmark/benchmark.h>

#include <string>

#include "server/http/accept.h"
#include "server/http/reply.h"
#include "server/http/request_parser.h"
#include "server/http/target.h"

namespace micro {
namespace {

namespace http = ringserve::http;

constexpr std::string_view kSmallRequest = "GET /index.html HTTP/1.1\r\nHost: localhost\r\n\r\n";
constexpr std::string_view kBrowserRequest =
    "GET /assets/application-3f2a9c.css?v=17 HTTP/1.1\r\n"
    "Host: www.example.org\r\n"
    "Connection: keep-alive\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/120.0.0.0 Safari/537.36\r\n"
    "Accept: text/css,*/*;q=0.1\r\n"
    "Referer: https://www.example.org/articles/2024/a-long-title-of-an-article\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n"
    "Cookie: session=4b1d2c3e5f60718293a4b5c6d7e8f901; theme=dark; consent=1\r\n"
    "If-None-Match: \"17a4b6c8d9e0f123-8c41\"\r\n"
    "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    "Sec-Fetch-Dest: style\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Site: same-origin\r\n\r\n";

// Parses all of `bytes`; how many complete requests there were.
unsigned parse_all(http::RequestParser& parser, std::string_view bytes) {
  unsigned requests = 0;
  while (!bytes.empty()) {
    bytes.remove_prefix(parser.feed({bytes.data(), bytes.size()}));
    if (parser.state() != http::RequestParser::State::complete) return requests;
    ++requests;
    parser.reset();
  }
  return requests;
}

void parse(benchmark::State& state, std::string_view request, unsigned pipelined) {
  std::string bytes;
  for (unsigned i = 0; i < pipelined; ++i) bytes += request;
  http::RequestParser parser;
  if (parse_all(parser, bytes) != pipelined) {
    return state.SkipWithError("the request was not parsed to its end");
  }
  for (auto _ : state) benchmark::DoNotOptimize(parse_all(parser, bytes));
  state.SetItemsProcessed(state.iterations() * pipelined);
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes.size()));
}
BENCHMARK_CAPTURE(parse, small, kSmallRequest, 1)->Name("http/parse/request:small/pipelined:1");
BENCHMARK_CAPTURE(parse, small16, kSmallRequest, 16)->Name("http/parse/request:small/pipelined:16");
BENCHMARK_CAPTURE(parse, browser, kBrowserRequest, 1)
    ->Name("http/parse/request:browser/pipelined:1");
BENCHMARK_CAPTURE(parse, browser16, kBrowserRequest, 16)
    ->Name("http/parse/request:browser/pipelined:16");

void decode(benchmark::State& state, std::string_view text, std::string_view path) {
  http::Target target;
  if (http::decode_target(text, target) != 0 || target.path != path) {
    return state.SkipWithError(("the target was decoded to " + target.path).c_str());
  }
  for (auto _ : state) benchmark::DoNotOptimize(http::decode_target(text, target));
}
BENCHMARK_CAPTURE(decode, plain, "/assets/application.css", "assets/application.css")
    ->Name("http/decode_target/plain");
BENCHMARK_CAPTURE(decode, query, "/assets/application.css?v=17", "assets/application.css")
    ->Name("http/decode_target/query");
BENCHMARK_CAPTURE(decode, percent_encoded, "/%61ssets/r%C3%A9sum%C3%A9%20final.html",
                  "assets/r\xC3\xA9sum\xC3\xA9 final.html")
    ->Name("http/decode_target/percent_encoded");
BENCHMARK_CAPTURE(decode, dot_segments, "/a/./b/../../assets//c/../application.css",
                  "assets/application.css")
    ->Name("http/decode_target/dot_segments");

constexpr int64_t kModified_s = 784111777;
constexpr int64_t kNow_s = 1'795'000'000;

http::EntityFacts facts_of_a_file() {
  static const http::EntityText text = [] {
    http::EntityFields entity;
    entity.content_type = "text/css";
    entity.etag = "\"17a4-400\"";
    entity.mtime_s = kModified_s;
    entity.size_bytes = 1024;
    return http::describe(entity);
  }();
  http::EntityFacts facts{1024, kModified_s, true, "\"17a4-400\""};
  facts.set_fields(text.lines, text.repeated_bytes, text.part_bytes);
  return facts;
}

void reply(benchmark::State& state, const http::Request& request, int status) {
  http::Preamble preamble("ringserve");
  preamble.set_time(kNow_s);
  char room[http::kReplyHeadBytesMax];
  const http::EntityFacts facts = facts_of_a_file();
  const auto make = [&] {
    http::HeadBuffer head(room, sizeof room);
    return http::reply_with_file(request, facts, preamble, true, {}, {}, head);
  };
  if (const int made = make().status; made != status) {
    return state.SkipWithError(("the reply was " + std::to_string(made)).c_str());
  }
  for (auto _ : state) {
    benchmark::DoNotOptimize(make());
    benchmark::ClobberMemory();
  }
}

http::Request get() {
  http::Request request;
  request.method = http::Method::get;
  request.keep_alive = true;
  return request;
}

http::Request get_range() {
  http::Request request = get();
  request.range = "bytes=100-299";
  return request;
}

http::Request get_ranges() {
  http::Request request = get();
  request.range = "bytes=0-99,500-599";
  return request;
}

http::Request get_if_none_match() {
  http::Request request = get();
  request.if_none_match = "\"17a4-400\"";
  return request;
}

http::Request get_if_modified_since() {
  http::Request request = get();
  request.if_modified_since = "Sun, 06 Nov 1994 08:49:37 GMT";
  return request;
}
BENCHMARK_CAPTURE(reply, ok, get(), 200)->Name("http/reply/status:200");
BENCHMARK_CAPTURE(reply, part, get_range(), 206)->Name("http/reply/status:206");
BENCHMARK_CAPTURE(reply, parts, get_ranges(), 206)->Name("http/reply/status:206/parts:2");
BENCHMARK_CAPTURE(reply, etag, get_if_none_match(), 304)->Name("http/reply/status:304/by:etag");
BENCHMARK_CAPTURE(reply, date, get_if_modified_since(), 304)->Name("http/reply/status:304/by:date");

void reply_error(benchmark::State& state) {
  http::Preamble preamble("ringserve");
  preamble.set_time(kNow_s);
  char room[http::kReplyHeadBytesMax];
  for (auto _ : state) {
    http::HeadBuffer head(room, sizeof room);
    http::reply_with_error(404, preamble, {}, head);
    benchmark::ClobberMemory();
  }
}
BENCHMARK(reply_error)->Name("http/reply/status:404");

void choose_coding(benchmark::State& state, std::string_view accept_encoding, int expected) {
  constexpr std::string_view kCodings[] = {"br", "zstd", "gzip"};
  if (http::choose_coding(accept_encoding, kCodings).index != expected) {
    return state.SkipWithError("another coding was chosen");
  }
  for (auto _ : state) {
    benchmark::DoNotOptimize(http::choose_coding(accept_encoding, kCodings));
  }
}
BENCHMARK_CAPTURE(choose_coding, browser, "gzip, deflate, br, zstd", 0)
    ->Name("http/choose_coding/browser");

}  // namespace
}  // namespace micro
