// Conditional requests: RFC 9110 section 13.
#pragma once

#include <cstdint>
#include <string_view>

#include "server/http/request.h"

namespace ringserve::http {

struct Validators {
  std::string_view etag;  // a strong entity-tag with its quotes
  int64_t mtime_s = 0;    // seconds since the epoch
};

enum class Verdict { proceed, not_modified, precondition_failed };

// In the order of precedence of section 13.2.2.
Verdict evaluate_conditions(const Request& request, const Validators& validators);

// Section 13.1.5: whether a Range field still speaks of this file.
bool if_range_holds(std::string_view if_range, const Validators& validators);

}  // namespace ringserve::http
