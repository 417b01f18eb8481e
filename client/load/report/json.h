// An Outcome as JSON and back, losslessly: whatever from_json() reads, to_json() wrote. The keys
// are stable and described in JSON.md; a file that is not one of ours is refused, never guessed at.
#pragma once

#include <string>
#include <string_view>

#include "client/load/outcome.h"
#include "common/net/result.h"

namespace ringload {

// Raised when a key changes its meaning or goes; new keys do not raise it.
inline constexpr unsigned kJsonFormat = 1;

// One key a line on the outermost level, and one row of `seconds` a line; UTF-8, ends in a newline.
std::string to_json(const Outcome& outcome);

// `file_name` is for the error messages only.
net::Result<Outcome> from_json(std::string_view text, const std::string& file_name);

}  // namespace ringload
