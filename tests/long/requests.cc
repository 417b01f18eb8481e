// The site is small and its answers are known byte by byte, so that a mixed-up reply is seen and
// not only one that is malformed.
#include "tests/long/requests.h"

#include <algorithm>
#include <random>

#include "tests/fuzz/mutator.h"
#include "tests/support/http_message.h"

namespace fuzz {
namespace {

using support::request;

constexpr size_t kRequestsMax = 12;  // on one connection
constexpr size_t kCutsMax = 24;

// Of a hundred connections, these say nothing wrong.
constexpr unsigned kGoodPercent = 25;
// And these end in the middle of what they say or hear.
constexpr unsigned kResetPercent = 15, kDeafPercent = 10;

std::string chunked(std::string_view body) {
  std::string text;
  for (size_t at = 0; at < body.size(); at += 7) {
    const std::string_view chunk = body.substr(at, 7);
    text += "0" + std::to_string(chunk.size()) + ";x=y\r\n" + std::string(chunk) + "\r\n";
  }
  return text + "0\r\nTrailer: value\r\n\r\n";
}

}  // namespace

ScriptWriter::ScriptWriter(uint64_t seed, support::TempTree& tree,
                           std::vector<std::string> damaged_too, std::vector<std::string> words)
    : seed_(seed), tree_(tree), originals_(std::move(damaged_too)), words_(std::move(words)) {
  add_file("small.txt", 100);
  add_file("memory.html", 5'000);
  add_file("medium.bin", 70'000);
  add_file("large.bin", 700'000);
  add_file("name with \xff\xfe and %", 10);
  tree_.write("empty", "");
  tree_.write("sub/index.html", "index");
  tree_.link("link", "small.txt");
  tree_.link("away", "../secret");
  tree_.outside("secret", "the secret");
  tree_.directory("list/below");
  tree_.write("list/<name>\n&\"", "x");

  const std::string small = support::TempTree::expected("small.txt", 0, 100);
  add(request("GET", "/empty"), {.status = 200, .body_known = true});
  add(request("GET", "/sub/"), {.status = 200, .body_known = true, .body = "index"});
  add(request("GET", "/sub?x=%0d%0a"), {.status = 301});
  add(request("GET", "/link"), {.status = 200, .body_known = true, .body = small});
  add(request("GET", "/a/./../small.txt?q#f"), {.status = 200, .body_known = true, .body = small});
  add(request("GET", "/list/"), {.status = 200});
  add(request("GET", "/list/?format=json"), {.status = 200});
  add(request("GET", "/absent"), {.status = 404});
  add(request("GET", "/.hidden"), {.status = 404});
  add(request("GET", "/small.txt", {{"Range", "bytes=10-19"}}),
      {.status = 206, .body_known = true, .body = small.substr(10, 10)});
  add(request("GET", "/medium.bin", {{"Range", "bytes=0-9,60000-60009,-5"}}), {.status = 206});
  add(request("GET", "/small.txt", {{"Range", "bytes=1000-"}}), {.status = 416});
  add(request("GET", "/small.txt", {{"If-None-Match", "*"}}), {.status = 304});
  add(request("GET", "/small.txt", {{"If-Match", "\"none\""}}), {.status = 412});
  add(request("GET", "/small.txt", {{"If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT"}}),
      {.status = 304});
  add(request("GET", "/small.txt", {{"Accept-Encoding", "gzip, br;q=0.5, *;q=0"}}),
      {.status = 406});
  const std::string inner = request("GET", "/absent");
  add(request("GET", "/small.txt", {{"Content-Length", std::to_string(inner.size())}}) + inner,
      {.status = 200, .body_known = true, .body = small});
  add(request("POST", "/small.txt", {{"Transfer-Encoding", "chunked"}}) +
          chunked("GET /small.txt HTTP/1.1\r\n\r\n"),
      {.status = 405});
  add(request("OPTIONS", "*"), {.status = 204});
  add(request("OPTIONS", "/",
              {{"Origin", "https://a.example"}, {"Access-Control-Request-Method", "GET"}}),
      {.status = 204});
  add(request("BREW", "/small.txt"), {.status = 501, .closes = true});
  add(request("GET", "/small.txt", {{"Connection", "close"}}),
      {.status = 200, .closes = true, .body_known = true, .body = small});
  add("GET /small.txt HTTP/1.0\r\n\r\n",
      {.status = 200, .closes = true, .body_known = true, .body = small});
  add("GET http://test/small.txt HTTP/1.1\r\nHost: other:80\r\nUser-Agent: a\"b\\\r\n\r\n",
      {.status = 200, .body_known = true, .body = small});
}

void ScriptWriter::add(std::string bytes, Expected expected) {
  originals_.push_back(bytes);
  good_.push_back({std::move(bytes), std::move(expected)});
}

void ScriptWriter::add_file(const std::string& name, size_t size_bytes) {
  tree_.fill(name, size_bytes);
  const std::string target = "/" + support::percent_encoded(name);
  add(request("GET", target), {.status = 200,
                               .body_known = true,
                               .body = support::TempTree::expected(name, 0, size_bytes)});
  add(request("HEAD", target), {.status = 200, .is_head = true, .body_known = true});
}

Script ScriptWriter::write(uint64_t connection) const {
  std::seed_seq seeds{seed_, seed_ >> 32, connection, connection >> 32};
  std::mt19937_64 random(seeds);
  const auto below = [&](size_t limit) { return static_cast<size_t>(random() % limit); };
  const auto percent = [&](unsigned share) { return below(100) < share; };

  Script script;
  const bool is_good = percent(kGoodPercent);
  script.requests = 1 + below(kRequestsMax);
  const size_t good = is_good ? script.requests : below(script.requests);
  bool closed = false;
  for (size_t i = 0; i < good; ++i) {
    const GoodRequest& next = good_[below(good_.size())];
    script.bytes += next.bytes;
    script.may_be_reset |= closed;
    if (!closed) script.expected.push_back(next.expected);
    closed |= next.expected.closes;
  }
  if (good < script.requests) {
    const size_t begin = script.bytes.size();
    Mutator mutator(random(), originals_, words_);
    for (size_t i = good; i < script.requests; ++i) {
      script.bytes += percent(70) ? mutator.next() : good_[below(good_.size())].bytes;
    }
    script.is_damaged = !closed;
    script.may_be_reset = true;
    script.may_be_head = script.bytes.find("HEAD", begin) != std::string::npos;
  }

  const size_t size = script.bytes.size();
  if (percent(50)) {
    const size_t cuts = below(kCutsMax);
    for (size_t i = 0; i < cuts; ++i) script.cuts.push_back(below(size + 1));
    std::sort(script.cuts.begin(), script.cuts.end());
  }
  script.cuts.push_back(size);
  if (percent(kResetPercent)) {
    script.end = End::reset;
    script.end_bytes = below(size + 1);
  } else if (percent(kDeafPercent)) {
    script.end = End::deaf;
    script.end_bytes = below(2000);
  }
  return script;
}

}  // namespace fuzz
