// HTTP dates: RFC 9110 section 5.6.7. Seconds since the epoch, UTC.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringserve::http {

// "Sun, 06 Nov 1994 08:49:37 GMT"
std::string format_date(int64_t seconds);

// The three forms a recipient must accept; nothing for anything else.
std::optional<int64_t> parse_date(std::string_view text);

}  // namespace ringserve::http
