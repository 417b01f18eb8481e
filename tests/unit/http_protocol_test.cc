// What the first bytes of a connection tell of the protocol.
#include "server/http/protocol.h"

#include <gtest/gtest.h>

#include <string>

namespace ringserve::http {
namespace {

using namespace std::string_literals;

bool is_hello(const std::string& bytes) { return is_tls_hello({bytes.data(), bytes.size()}); }

const std::string kHello = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"s;

TEST(TlsHello, is_known_by_as_many_of_its_bytes_as_are_there) {
  for (size_t size = 1; size <= kHello.size(); ++size) {
    EXPECT_TRUE(is_hello(kHello.substr(0, size))) << size;
  }
  EXPECT_FALSE(is_hello(""));
}

TEST(TlsHello, may_be_of_every_version_of_records) {
  for (char minor = 0; minor <= 4; ++minor) {
    std::string hello = kHello;
    hello[2] = minor;
    EXPECT_TRUE(is_hello(hello)) << int{minor};
  }
}

TEST(TlsHello, is_nothing_else) {
  for (const size_t at : {0, 1, 2, 5}) {
    for (int value = 0; value < 256; ++value) {
      if (value <= 4 && at == 2) continue;
      std::string bytes = kHello;
      if (bytes[at] == static_cast<char>(value)) continue;
      bytes[at] = static_cast<char>(value);
      EXPECT_FALSE(is_hello(bytes)) << at << ": " << value;
    }
  }
  for (const char* bytes : {"GET / HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n", "\r\n", "SSH-2.0-x"}) {
    EXPECT_FALSE(is_hello(bytes)) << bytes;
  }
}

}  // namespace
}  // namespace ringserve::http
