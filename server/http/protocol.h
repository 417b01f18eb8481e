// Other protocols than HTTP/1, told by the first bytes of a connection. Pure.
#pragma once

#include <span>

namespace ringserve::http {

// Whether a connection that begins with these bytes begins with a TLS ClientHello (RFC 8446
// section 5.1): the head of a handshake record, then the message's type. Of the head, what is there
// decides: no request begins with its first byte.
bool is_tls_hello(std::span<const char> first_bytes);

}  // namespace ringserve::http
