// Conditional requests: RFC 9110 section 13. Pure text, no allocation.
#pragma once

#include <cstdint>
#include <string_view>

#include "server/http/request.h"

namespace ringserve::http {

struct Validators {
  std::string_view etag;  // a strong entity-tag with its quotes; empty: there is none
  int64_t mtime_s = 0;    // seconds since the epoch
  bool has_mtime = true;  // false: no Last-Modified is sent, and none is compared
  int64_t now_s = 0;      // the reply's Date: a younger time stamp is a weak validator
};

enum class Verdict { proceed, not_modified, precondition_failed };

// In the order of precedence of section 13.2.2, for a GET or HEAD of a file that exists.
Verdict evaluate_conditions(const Request& request, const Validators& validators);

// Section 13.1.5: whether a Range field still speaks of this file.
bool if_range_holds(std::string_view if_range, const Validators& validators);

}  // namespace ringserve::http
