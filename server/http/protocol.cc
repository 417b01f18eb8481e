// Compares bytes; nothing else.
#include "server/http/protocol.h"

#include <algorithm>

namespace ringserve::http {

bool is_tls_hello(std::span<const char> first_bytes) {
  constexpr size_t kHeadBytes = 6;  // type, version, length, type of the message
  constexpr unsigned kHandshake = 22, kMajorVersion = 3, kMinorVersionMax = 4, kClientHello = 1;
  const auto head = first_bytes.first(std::min(first_bytes.size(), kHeadBytes));
  for (size_t i = 0; i < head.size(); ++i) {
    const auto byte = static_cast<unsigned char>(head[i]);
    switch (i) {
      case 0:
        if (byte != kHandshake) return false;
        break;
      case 1:
        if (byte != kMajorVersion) return false;
        break;
      case 2:
        if (byte > kMinorVersionMax) return false;
        break;
      case 5:
        if (byte != kClientHello) return false;
        break;
      default: break;  // the record's length
    }
  }
  return !head.empty();
}

}  // namespace ringserve::http
