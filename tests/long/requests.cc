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

GoodRequest get(const std::string& target, Expected expected) {
  return {request("GET", target), std::move(expected)};
}

void add_file(const std::string& name, size_t size_bytes, support::TempTree& tree,
              std::vector<GoodRequest>& good) {
  tree.fill(name, size_bytes);
  const std::string target = "/" + support::percent_encoded(name);
  good.push_back(get(target, {.status = 200,
                              .body_known = true,
                              .body = support::TempTree::expected(name, 0, size_bytes)}));
  good.push_back({request("HEAD", target), {.status = 200, .is_head = true, .body_known = true}});
}

}  // namespace

std::vector<GoodRequest> requests_to_site(support::TempTree& tree) {
  std::vector<GoodRequest> good;
  const auto add = [&good](std::string bytes, Expected expected) {
    good.push_back({std::move(bytes), std::move(expected)});
  };
  add_file("small.txt", 100, tree, good);
  add_file("memory.html", 5'000, tree, good);
  add_file("medium.bin", 70'000, tree, good);
  add_file("large.bin", 700'000, tree, good);
  add_file("name with \xff\xfe and %", 10, tree, good);
  tree.write("empty", "");
  tree.write("sub/index.html", "index");
  tree.link("link", "small.txt");
  tree.link("away", "../secret");
  tree.outside("secret", "the secret");
  tree.directory("list/below");
  tree.write("list/<name>\n&\"", "x");

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
  return good;
}

std::vector<GoodRequest> requests_to_admin() {
  // The length of a page that tells numbers is not known: an answer to HEAD has no body to compare.
  const auto head_of = [](const std::string& target, int status) {
    return GoodRequest{request("HEAD", target),
                       {.status = status, .is_head = true, .body_known = true}};
  };
  const auto refused = [](const std::string& method, int status) {
    return GoodRequest{request(method, "/status", {{"Content-Length", "5"}}) + "GET /",
                       {.status = status, .is_head = method == "HEAD", .closes = true}};
  };
  const Expected health{.status = 200, .body_known = true, .body = "ok\n"};
  Expected last = health;
  last.closes = true;
  return {
      get("/healthz", health),
      get("/healthz?a=b", health),
      get("http://elsewhere/healthz", health),
      get("/metrics", {.status = 200}),
      get("/status", {.status = 200}),
      get("/status.json", {.status = 200}),
      get("/status.js", {.status = 200}),
      get("/", {.status = 307, .body_known = true, .body = "See /status\n"}),
      get("http://elsewhere?/healthz", {.status = 307}),
      get("/absent", {.status = 404}),
      get("/../status", {.status = 404}),
      get("/status/", {.status = 404}),
      head_of("/healthz", 200),
      head_of("/metrics", 200),
      head_of("/status", 200),
      head_of("/absent", 404),
      refused("GET", 413),
      refused("HEAD", 413),
      refused("POST", 405),
      {request("GET", "/healthz", {{"Transfer-Encoding", "chunked"}}) + chunked("GET / HTTP/1.1"),
       {.status = 413, .closes = true}},
      {request("DELETE", "/status"), {.status = 405}},
      {request("OPTIONS", "*"), {.status = 405}},
      {request("BREW", "/status"), {.status = 501, .closes = true}},
      {request("GET", "/healthz", {{"Connection", "close"}}), last},
      {"GET /healthz HTTP/1.0\r\n\r\n", last},
  };
}

ScriptWriter::ScriptWriter(uint64_t seed, std::vector<GoodRequest> good,
                           std::vector<std::string> damaged_too, std::vector<std::string> words)
    : seed_(seed),
      good_(std::move(good)),
      originals_(std::move(damaged_too)),
      words_(std::move(words)) {
  for (const GoodRequest& one : good_) originals_.push_back(one.bytes);
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
  // An empty piece behind the last byte would find a connection that the server has ended rightly.
  script.cuts.erase(std::unique(script.cuts.begin(), script.cuts.end()), script.cuts.end());
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
