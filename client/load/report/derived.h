// Figures that follow from an Outcome, defined once, so that the text, the JSON and the conditions
// can never disagree. All are 0 where there is nothing to divide by.
#pragma once

#include "client/load/outcome.h"

namespace ringload {

inline double ratio(double part, double whole) { return whole > 0 ? part / whole : 0; }

inline double rate_per_s(const Outcome& outcome) {
  return ratio(static_cast<double>(outcome.requests), outcome.duration_s);
}

inline double bytes_per_s(const Outcome& outcome) {
  return ratio(static_cast<double>(outcome.bytes), outcome.duration_s);
}

// Of all requests that came to an end, good or bad.
inline double error_share(uint64_t errors, uint64_t requests) {
  return ratio(static_cast<double>(errors), static_cast<double>(errors + requests));
}

// Whether anybody looked at the sockets: not for Unix sockets.
inline bool sockets_tracked(const Outcome& outcome) {
  return outcome.sockets.facts.tcp && outcome.sockets.looks > 0;
}

}  // namespace ringload
