// Small pieces of text that both forms of a listing need. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "server/listing/entry.h"

namespace ringserve::listing {

// Text that goes to the sink in pieces, so that a long listing is never in memory as a whole.
class Output {
 public:
  static constexpr size_t kPieceBytes = 64 * 1024;

  explicit Output(const Sink& sink) : sink_(sink) {}

  void append(std::string_view text) { piece_ += text; }
  // Between two entries: hands on what is a piece. False when the sink wants no more.
  bool advance() { return piece_.size() < kPieceBytes || flush(); }
  // At the end. False when the sink wants no more.
  bool flush();
  uint64_t size_bytes() const { return handed_on_bytes_ + piece_.size(); }

 private:
  const Sink& sink_;
  std::string piece_;
  uint64_t handed_on_bytes_ = 0;
};

// What is not UTF-8 becomes U+FFFD, as Unicode advises (chapter 3.9, "maximal subparts").
std::string as_utf8(std::string_view bytes);

// For the text of an element and for a quoted attribute value; control characters, which a browser
// would drop or take for spaces, become their pictures (U+2400 and following).
std::string as_html(std::string_view bytes);

// The reference to an entry from the page of its directory: "./a%20b", "./sub/". The "./" keeps a
// name such as "javascript:x" from being taken for a scheme (RFC 3986 section 4.2).
std::string reference_to(const Entry& entry);

// "2026-11-21T06:40:00Z" (RFC 3339); "" for years that do not have four digits.
std::string as_utc(int64_t time_s);

// "812 B", "1.4 KiB", "23 MiB": two digits or more, in powers of 1024.
std::string as_size(uint64_t bytes);

}  // namespace ringserve::listing
