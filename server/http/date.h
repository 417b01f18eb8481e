// HTTP dates: RFC 9110 section 5.6.7. Seconds since the epoch, UTC. No locale, no time zone, no
// allocation but for the text that is returned.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringserve::http {

// "Sun, 06 Nov 1994 08:49:37 GMT". A time outside of the years 0 to 9999, which the form cannot
// tell, becomes the nearest that it can.
std::string format_date(int64_t seconds);

// The three forms a recipient must accept, to the letter; nothing for anything else, 31 February
// included. The day's name has to be one, but need not be that day's. `now_s` decides the century
// of the one form that has two digits for the year: more than 50 years ahead is meant to be past.
std::optional<int64_t> parse_date(std::string_view text, int64_t now_s);

}  // namespace ringserve::http
