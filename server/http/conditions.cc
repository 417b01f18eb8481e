// Entity-tag lists and date comparisons. A date that cannot be parsed is ignored, as the RFC says.
#include "server/http/conditions.h"

#include "server/http/date.h"

namespace ringserve::http {
namespace {

enum class Comparison { strong, weak };

// Section 8.8.3: `*`, or a list of entity-tags, any of which matches.
bool list_matches(std::string_view list, std::string_view etag, Comparison comparison) {
  size_t at = list.find_first_not_of(" \t,");
  if (at != std::string_view::npos && list[at] == '*') return true;
  while (at != std::string_view::npos) {
    const bool weak = list.substr(at, 2) == "W/";
    if (weak) at += 2;
    if (at >= list.size() || list[at] != '"') return false;
    const size_t end = list.find('"', at + 1);
    if (end == std::string_view::npos) return false;
    const std::string_view candidate = list.substr(at, end + 1 - at);
    if (candidate == etag && (comparison == Comparison::weak || !weak)) return true;
    at = list.find_first_not_of(" \t,", end + 1);
  }
  return false;
}

}  // namespace

Verdict evaluate_conditions(const Request& request, const Validators& validators) {
  if (!request.if_match.empty()) {
    if (!list_matches(request.if_match, validators.etag, Comparison::strong)) {
      return Verdict::precondition_failed;
    }
  } else if (!request.if_unmodified_since.empty()) {
    const auto limit = parse_date(request.if_unmodified_since);
    if (limit && validators.mtime_s > *limit) return Verdict::precondition_failed;
  }
  if (!request.if_none_match.empty()) {
    return list_matches(request.if_none_match, validators.etag, Comparison::weak)
               ? Verdict::not_modified
               : Verdict::proceed;
  }
  if (!request.if_modified_since.empty()) {
    const auto limit = parse_date(request.if_modified_since);
    if (limit && validators.mtime_s <= *limit) return Verdict::not_modified;
  }
  return Verdict::proceed;
}

bool if_range_holds(std::string_view if_range, const Validators& validators) {
  if (!if_range.empty() && if_range.front() == '"') return if_range == validators.etag;
  const auto date = parse_date(if_range);
  return date && *date == validators.mtime_s;  // a weak tag is no date either: no match
}

}  // namespace ringserve::http
