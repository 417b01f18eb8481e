// Text of strangers as text of ours: whatever bytes a request has, one line of the log stays one
// line, and its fields stay where they are. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ringserve::log {

// What is written for one byte of the original at most ("\u001F").
constexpr size_t kEscapedBytesMax = 6;

// Both append to `out`, which has room for kEscapedBytesMax times the text, and return the end.

// For the inside of quotes in the formats common and combined, as nginx does: '"', '\', and all but
// the printable characters of ASCII become \xHH, with two upper-case hexadecimal digits.
char* append_quoted(std::string_view text, char* out);
// The same, for a name in a message of the server's own log.
std::string quoted(std::string_view text);

// For the inside of a JSON string (RFC 8259 section 7); the result is valid UTF-8, and loses
// nothing: a byte that is no part of valid UTF-8 becomes the four characters \xHH, and a '\' that
// stands before an 'x' becomes \x5C, so that whoever puts a byte for each \xHH of the parsed string
// has the original. Control characters and those that a terminal or an editor takes for a line end
// or a change of direction become \uHHHH, which a JSON parser undoes by itself.
char* append_json(std::string_view text, char* out);

}  // namespace ringserve::log
