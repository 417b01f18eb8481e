// What a client would rather have: Accept-Encoding and Accept, RFC 9110 sections 12.5.1 and 12.5.3,
// weights included. Pure text, no allocation, one pass. A malformed element is ignored.
#pragma once

#include <span>
#include <string_view>

namespace ringserve::http {

struct CodingChoice {
  static constexpr int kIdentity = -1;
  int index = kIdentity;   // in `codings`
  bool acceptable = true;  // false: the client refuses them all, identity too (406)
};

// Among `codings` ("br", "zstd", ..., most wanted by the server first; at most kCodingsMax) and
// identity, the one with the highest weight; among equals the server's order, identity last. An
// absent or empty field gives identity: who does not ask for a coding need not be able to read one.
CodingChoice choose_coding(std::string_view accept_encoding,
                           std::span<const std::string_view> codings);

// Whether the client prefers application/json to text/html; false where it does not care.
bool prefers_json(std::string_view accept);

}  // namespace ringserve::http
