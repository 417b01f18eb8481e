// The bytes of a connection, as requests: the same requests however the bytes are cut, nothing of
// one request in the next, limits kept, and no field that could spoil a log or a reply.
#include <vector>

#include "common/check.h"
#include "server/http/limits.h"
#include "server/http/request_parser.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/text.h"

namespace {

using ringserve::http::Request;
using ringserve::http::RequestParser;
using State = RequestParser::State;

constexpr std::string Request::*kTexts[] = {&Request::target,
                                            &Request::host,
                                            &Request::if_match,
                                            &Request::if_none_match,
                                            &Request::if_modified_since,
                                            &Request::if_unmodified_since,
                                            &Request::if_range,
                                            &Request::range,
                                            &Request::accept,
                                            &Request::accept_encoding,
                                            &Request::origin,
                                            &Request::referer,
                                            &Request::user_agent};

// What became of one request. Where it failed, only that counts: a chunk with two mistakes may be
// refused for either.
struct Outcome {
  State state = State::incomplete;
  size_t end = 0;  // where it ends in the connection's bytes
  bool started = false, in_body = false;
  Request request;
};

bool is_same_request(const Request& a, const Request& b) {
  for (const auto text : kTexts) {
    if (a.*text != b.*text) return false;
  }
  return a.method == b.method && a.version_minor == b.version_minor &&
         a.keep_alive == b.keep_alive && a.asks_to_close == b.asks_to_close &&
         a.expects_continue == b.expects_continue && a.method_name == b.method_name;
}

bool is_same(const Outcome& a, const Outcome& b) {
  if (a.state != b.state) return false;
  if (a.state == State::failed) return true;
  if (a.state == State::incomplete) return a.started == b.started && a.in_body == b.in_body;
  return a.end == b.end && is_same_request(a.request, b.request);
}

void check_refusal(int status) {
  constexpr int kStatuses[] = {400, 413, 414, 417, 431, 501, 505};
  CHECK(std::count(std::begin(kStatuses), std::end(kStatuses), status) == 1);
}

void check_request(const Request& request) {
  using namespace ringserve::http;
  CHECK(!request.target.empty() && request.target.size() <= kTargetBytesMax);
  CHECK(request.version_minor <= 9);
  for (const auto text : kTexts) {
    const std::string& value = request.*text;
    CHECK(value.size() <= kHeadBytesMax);
    CHECK(value == fuzz::trim(value));
    CHECK(value.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
  }
  CHECK(!fuzz::has_control(request.target));
  CHECK(request.target.find(' ') == std::string::npos);
  CHECK(request.host.find_first_of(" \t/?#@\\") == std::string::npos);
  if (!request.method_name.empty()) CHECK(fuzz::is_token(request.method_name));
}

class Connection {
 public:
  explicit Connection(bool keeps_log_fields) { parser_.keep_log_fields(keeps_log_fields); }

  std::vector<Outcome> read(std::string_view bytes, fuzz::Cutter cutter) {
    while (at_ < bytes.size() && !failed_) {
      const fuzz::Exact piece(bytes.substr(at_, cutter.next(bytes.size() - at_)));
      take(piece.view());
      // Byte by byte, a head that is not refused is not too long.
      const bool in_head = parser_.started() && !parser_.in_body() && !failed_;
      if (cutter.kind() == fuzz::Cutter::Kind::bytes && in_head) {
        CHECK(++head_bytes_ <= ringserve::http::kHeadBytesMax);
      } else {
        head_bytes_ = 0;
      }
    }
    if (!failed_) add();
    return std::move(outcomes_);
  }

 private:
  void take(std::string_view piece) {
    while (!piece.empty() && !failed_) {
      const size_t taken = parser_.feed(std::span(piece.data(), piece.size()));
      CHECK(taken <= piece.size());
      at_ += taken;
      piece.remove_prefix(taken);
      if (parser_.state() == State::incomplete) {
        CHECK(piece.empty());  // else the connection would wait for bytes that are there
        continue;
      }
      add();
      failed_ = parser_.state() == State::failed;
      if (!failed_) parser_.reset();
    }
  }

  void add() {
    outcomes_.push_back(
        {parser_.state(), at_, parser_.started(), parser_.in_body(), parser_.request()});
    if (parser_.state() == State::complete) check_request(parser_.request());
    if (parser_.state() == State::failed) check_refusal(parser_.error_status());
  }

  RequestParser parser_;
  std::vector<Outcome> outcomes_;
  size_t at_ = 0;
  size_t head_bytes_ = 0;
  bool failed_ = false;
};

std::vector<Outcome> requests_of(std::string_view bytes, fuzz::Cutter::Kind kind,
                                 bool keeps_log_fields = true) {
  return Connection(keeps_log_fields).read(bytes, fuzz::Cutter(kind, bytes));
}

void check_same(const std::vector<Outcome>& a, const std::vector<Outcome>& b) {
  CHECK(a.size() == b.size());
  for (size_t i = 0; i < a.size(); ++i) CHECK(is_same(a[i], b[i]));
}

// A parser that is used again knows nothing of the requests before.
void check_alone(std::string_view bytes, const std::vector<Outcome>& outcomes) {
  size_t begin = 0;
  for (const Outcome& outcome : outcomes) {
    if (outcome.state != State::complete) return;
    const std::string_view request = bytes.substr(begin, outcome.end - begin);
    const auto alone = requests_of(request, fuzz::Cutter::Kind::whole);
    CHECK(!alone.empty() && alone.front().state == State::complete);
    CHECK(alone.front().end == request.size());
    CHECK(is_same_request(alone.front().request, outcome.request));
    begin = outcome.end;
  }
}

// What is not kept is empty, and makes no other difference.
void check_without_log_fields(std::string_view bytes, std::vector<Outcome> outcomes) {
  for (Outcome& outcome : outcomes) {
    outcome.request.referer.clear();
    outcome.request.user_agent.clear();
  }
  check_same(requests_of(bytes, fuzz::Cutter::Kind::whole, false), outcomes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto whole = requests_of(bytes, fuzz::Cutter::Kind::whole);
  for (const auto kind : fuzz::Cutter::kKinds) check_same(requests_of(bytes, kind), whole);
  check_alone(bytes, whole);
  check_without_log_fields(bytes, whole);
  return 0;
}
