// Conditional requests against the order of RFC 9110 section 13.2.2, with lists of entity-tags read
// slowly by the grammar of section 8.8.3. Input, a line each: the entity-tag without its quotes
// ("-" for none), mtime ("-" for none), now, If-Match, If-None-Match, If-Modified-Since,
// If-Unmodified-Since, If-Range.
#include "server/http/conditions.h"

#include <optional>
#include <string>

#include "common/check.h"
#include "server/http/date.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/text.h"

namespace {

using ringserve::http::evaluate_conditions;
using ringserve::http::if_range_holds;
using ringserve::http::parse_date;
using ringserve::http::Request;
using ringserve::http::Validators;
using ringserve::http::Verdict;

// etagc: section 8.8.3.
bool is_etag_text(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == 0x21 || (byte >= 0x23 && byte != 0x7f);
  });
}

struct Tag {
  bool weak = false;
  std::string_view opaque;  // with its quotes
};

// The entity-tag at the front of `text`, which it loses; nothing where there is none.
std::optional<Tag> take_tag(std::string_view& text) {
  Tag tag;
  tag.weak = text.substr(0, 2) == "W/";
  if (tag.weak) text.remove_prefix(2);
  if (text.empty() || text.front() != '"') return std::nullopt;
  const size_t end = text.find('"', 1);
  if (end == std::string_view::npos || !is_etag_text(text.substr(1, end - 1))) return std::nullopt;
  tag.opaque = text.substr(0, end + 1);
  text.remove_prefix(end + 1);
  return tag;
}

enum class Match { yes, no, malformed };

// `*` or #entity-tag, empty elements allowed.
Match match_of(std::string_view list, std::string_view etag, bool weakly) {
  list = fuzz::trim(list);
  if (list == "*") return Match::yes;
  bool matches = false;
  bool any = false;
  for (;;) {
    list = fuzz::trim(list);
    if (!list.empty() && list.front() != ',') {
      const auto tag = take_tag(list);
      if (!tag) return Match::malformed;
      any = true;
      matches |= !etag.empty() && tag->opaque == etag && (weakly || !tag->weak);
      list = fuzz::trim(list);
    }
    if (list.empty()) break;
    if (list.front() != ',') return Match::malformed;
    list.remove_prefix(1);
  }
  if (!any) return Match::malformed;
  return matches ? Match::yes : Match::no;
}

// What section 13.2.2 says; nothing where a list is malformed and left to the server.
std::optional<Verdict> expected_verdict(const Request& request, const Validators& file) {
  if (!request.if_match.empty()) {
    const Match match = match_of(request.if_match, file.etag, false);
    if (match == Match::malformed) return std::nullopt;
    if (match == Match::no) return Verdict::precondition_failed;
  } else if (!request.if_unmodified_since.empty() && file.has_mtime) {
    const auto limit = parse_date(request.if_unmodified_since, file.now_s);
    if (limit && file.mtime_s > *limit) return Verdict::precondition_failed;
  }
  if (!request.if_none_match.empty()) {
    const Match match = match_of(request.if_none_match, file.etag, true);
    if (match == Match::malformed) return std::nullopt;
    return match == Match::yes ? Verdict::not_modified : Verdict::proceed;
  }
  if (!request.if_modified_since.empty() && file.has_mtime) {
    const auto limit = parse_date(request.if_modified_since, file.now_s);
    if (limit && file.mtime_s <= *limit) return Verdict::not_modified;
  }
  return Verdict::proceed;
}

// Section 13.1.5: the entity-tag itself, strong, or exactly the file's time where that is a strong
// validator.
void check_if_range(std::string_view if_range, const Validators& file) {
  if (!if_range_holds(if_range, file)) {
    CHECK(file.etag.empty() || if_range != file.etag);
    return;
  }
  const auto date = parse_date(if_range, file.now_s);
  const bool is_tag = !file.etag.empty() && if_range == file.etag;
  CHECK(is_tag || (file.has_mtime && date && *date == file.mtime_s && file.mtime_s < file.now_s));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const std::string_view tag = input.line();
  if (!is_etag_text(tag)) return 0;  // the server made it
  const std::string etag = tag == "-" ? "" : '"' + std::string(tag) + '"';
  Validators file;
  file.etag = etag;
  file.has_mtime = input.rest().substr(0, 1) != "-";
  file.mtime_s = input.number<uint32_t>();
  file.now_s = input.number<uint32_t>();
  Request request;
  // As the parser leaves them: without white space around.
  for (const auto field : {&Request::if_match, &Request::if_none_match, &Request::if_modified_since,
                           &Request::if_unmodified_since, &Request::if_range}) {
    request.*field = fuzz::trim(input.line());
  }
  const Verdict verdict = evaluate_conditions(request, file);
  const auto expected = expected_verdict(request, file);
  CHECK(!expected || verdict == *expected);
  check_if_range(request.if_range, file);
  return 0;
}
