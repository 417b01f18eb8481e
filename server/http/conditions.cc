// Entity-tag lists and date comparisons. A date that cannot be parsed is ignored, as the RFC says;
// a list matches as far as it is well-formed, so that a broken one never hides a change of the
// file.
#include "server/http/conditions.h"

#include <algorithm>

#include "server/http/date.h"
#include "server/http/text.h"

namespace ringserve::http {
namespace {

enum class Comparison { strong, weak };

// Takes an entity-tag (section 8.8.3) off the front of `list`; empty where there is none. What lies
// between the quotes is not looked at: what is no etagc is in none of our tags.
std::string_view take_tag(std::string_view& list) {
  if (!list.starts_with('"')) return {};
  const size_t end = list.find('"', 1);
  if (end == std::string_view::npos) return {};
  const std::string_view tag = list.substr(0, end + 1);
  list.remove_prefix(tag.size());
  return tag;
}

// `*`, or a list of entity-tags, any of which matches. An empty `etag` matches no tag.
bool list_matches(std::string_view list, std::string_view etag, Comparison comparison) {
  constexpr std::string_view kBlanks = " \t";
  list = trim(list);
  if (list == "*") return true;
  while (true) {
    list.remove_prefix(std::min(list.find_first_not_of(" \t,"), list.size()));
    const bool weak = list.starts_with("W/");
    if (weak) list.remove_prefix(2);
    const std::string_view tag = take_tag(list);
    if (tag.empty()) return false;  // the end, or nothing that makes sense
    if (tag == etag && (comparison == Comparison::weak || !weak)) return true;
    list.remove_prefix(std::min(list.find_first_not_of(kBlanks), list.size()));
    if (!list.starts_with(',')) return false;
  }
}

}  // namespace

Verdict evaluate_conditions(const Request& request, const Validators& validators) {
  if (!request.if_match.empty()) {
    if (!list_matches(request.if_match, validators.etag, Comparison::strong)) {
      return Verdict::precondition_failed;
    }
  } else if (!request.if_unmodified_since.empty() && validators.has_mtime) {
    const auto limit = parse_date(request.if_unmodified_since, validators.now_s);
    if (limit && validators.mtime_s > *limit) return Verdict::precondition_failed;
  }
  if (!request.if_none_match.empty()) {
    return list_matches(request.if_none_match, validators.etag, Comparison::weak)
               ? Verdict::not_modified
               : Verdict::proceed;
  }
  if (!request.if_modified_since.empty() && validators.has_mtime) {
    const auto limit = parse_date(request.if_modified_since, validators.now_s);
    if (limit && validators.mtime_s <= *limit) return Verdict::not_modified;
  }
  return Verdict::proceed;
}

bool if_range_holds(std::string_view if_range, const Validators& validators) {
  if (if_range.starts_with('"')) return if_range == validators.etag;
  if (!validators.has_mtime || validators.now_s <= validators.mtime_s) return false;
  // A weak tag is no date either: no match.
  return parse_date(if_range, validators.now_s) == validators.mtime_s;
}

}  // namespace ringserve::http
