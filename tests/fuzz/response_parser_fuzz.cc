// What a server sends to ringload: the same responses however the bytes are cut, a body that lies
// in the bytes given, nothing of one response in the next. Input: "HEAD" for answers to HEAD or
// anything else for GET, then the bytes of the connection.
#include "client/load/engine/response_parser.h"

#include <string>
#include <vector>

#include "common/check.h"
#include "tests/fuzz/input.h"

namespace {

using ringload::ResponseHead;
using ringload::ResponseParser;
using State = ResponseParser::State;

struct Outcome {
  State state = State::need_more;
  size_t end = 0;  // where it ends in the connection's bytes, a body with a length left out
  ResponseHead head;
  std::string body;  // as far as the parser decodes it
  bool idle = true, complete_at_end = false;
};

bool is_same_head(const ResponseHead& a, const ResponseHead& b) {
  return a.status == b.status && a.keep_alive == b.keep_alive && a.has_length == b.has_length &&
         a.content_length == b.content_length && a.range_first == b.range_first &&
         a.encoded == b.encoded;
}

// Where a response failed, only that counts: how much of its body came before depends on the cuts.
bool is_same(const Outcome& a, const Outcome& b) {
  if (a.state != b.state) return false;
  if (a.state == State::failed) return true;
  if (a.body != b.body || a.idle != b.idle || a.complete_at_end != b.complete_at_end) return false;
  return a.state == State::need_more || (a.end == b.end && is_same_head(a.head, b.head));
}

class Connection {
 public:
  explicit Connection(bool head_request) : head_request_(head_request) {}

  std::vector<Outcome> read(std::string_view bytes, fuzz::Cutter cutter) {
    while (at_ < bytes.size() && !ended_) {
      const fuzz::Exact piece(bytes.substr(at_, cutter.next(bytes.size() - at_)));
      take(piece.view());
    }
    if (!ended_) add(State::need_more);
    return std::move(outcomes_);
  }

 private:
  void take(std::string_view piece) {
    while (!piece.empty() && !ended_) {
      if (skip_bytes_ > 0) {
        const size_t skipped = std::min<uint64_t>(skip_bytes_, piece.size());
        skip_bytes_ -= skipped;
        at_ += skipped;
        piece.remove_prefix(skipped);
        continue;
      }
      feed(piece);
    }
  }

  void feed(std::string_view& piece) {
    const std::string_view before = piece;
    std::vector<std::string_view> parts;
    const State state = parser_.feed(piece, head_request_, &parts);
    for (const std::string_view part : parts) {
      CHECK(part.data() >= before.data() && part.size() <= before.size());
      CHECK(part.data() + part.size() <= before.data() + before.size());
      body_ += part;
    }
    if (state == State::failed) {
      CHECK(!parser_.error().empty());
      add(state);
      ended_ = true;
      return;
    }
    CHECK(piece.size() <= before.size());
    CHECK(piece.data() + piece.size() == before.data() + before.size() || piece.empty());
    at_ += before.size() - piece.size();
    if (state == State::need_more) {
      CHECK(piece.empty());
      return;
    }
    CHECK(parser_.head().status >= 200 && parser_.head().status <= 999);
    CHECK(parser_.head().has_length == (state == State::head_complete));
    skip_bytes_ = state == State::head_complete ? parser_.head().content_length : 0;
    add(state);
    parser_.reset();
    CHECK(parser_.idle());
  }

  void add(State state) {
    Outcome outcome{state, at_, parser_.head(), std::move(body_), parser_.idle(), false};
    if (state == State::need_more) outcome.complete_at_end = parser_.complete_at_end();
    outcomes_.push_back(std::move(outcome));
    body_.clear();
  }

  ResponseParser parser_;
  std::vector<Outcome> outcomes_;
  std::string body_;
  size_t at_ = 0;
  uint64_t skip_bytes_ = 0;
  const bool head_request_;
  bool ended_ = false;
};

std::vector<Outcome> responses_of(std::string_view bytes, fuzz::Cutter::Kind kind, bool head) {
  return Connection(head).read(bytes, fuzz::Cutter(kind, bytes));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const bool head = input.line() == "HEAD";
  const std::string_view bytes = input.rest();
  if (bytes.size() > ringload::kHeadBytesMax) return 0;  // longer heads may fail here or there
  const auto whole = responses_of(bytes, fuzz::Cutter::Kind::whole, head);
  for (const auto kind : fuzz::Cutter::kKinds) {
    const auto outcomes = responses_of(bytes, kind, head);
    CHECK(outcomes.size() == whole.size());
    for (size_t i = 0; i < whole.size(); ++i) CHECK(is_same(outcomes[i], whole[i]));
  }
  size_t begin = 0;
  for (const Outcome& outcome : whole) {
    if (outcome.state != State::head_complete && outcome.state != State::message_complete) break;
    const auto alone =
        responses_of(bytes.substr(begin, outcome.end - begin), fuzz::Cutter::Kind::whole, head);
    CHECK(alone.front().state == outcome.state && is_same_head(alone.front().head, outcome.head));
    CHECK(alone.front().body == outcome.body);
    begin = outcome.end;
    if (outcome.state == State::head_complete) begin += outcome.head.content_length;
  }
  return 0;
}
