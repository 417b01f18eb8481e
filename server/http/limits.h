// What a request may measure, and what of it is looked at. Plain numbers: this header includes
// nothing of the server, so that every part may.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ringserve::http {

// Beyond these: 431, 414 or 413, and the connection is closed.
constexpr size_t kHeadBytesMax = 16 * 1024;    // request line and fields
constexpr size_t kTargetBytesMax = 8 * 1024;   // request target
constexpr size_t kBodyBytesMax = 1024 * 1024;  // a request body is read and discarded
// Of a chunked body, what is no data: sizes, extensions, line ends and trailers.
constexpr size_t kFramingBytesMax = 64 * 1024;
// Line ends before a request line that are forgiven; more are 400.
constexpr size_t kEmptyLineBytesMax = 16;

// More ranges than this in one field are a mistake or an attack: the whole file is sent.
constexpr size_t kRangesMax = 32;
// Parts that overlap or lie so close that a part's head would cost more are sent as one.
constexpr uint64_t kRangeGapBytesMax = 128;

// Content codings that one file can have besides identity.
constexpr size_t kCodingsMax = 8;

// What a site adds to a head: Cache-Control, media type, its own lines, those of CORS. Who makes
// them from a configuration has to refuse more.
constexpr size_t kSiteFieldsBytesMax = 4096;
// An upper bound for the head of every reply (with an error's small body) but a redirect, whose
// Location is as long as the client made it: what the server itself says, and what the site adds.
constexpr size_t kReplyHeadBytesMax = 1024 + kSiteFieldsBytesMax;

}  // namespace ringserve::http
