// One connection of a client, with verbs for everything a client may do to a server: send in
// pieces, close its half, stall, vanish. Every wait has a deadline; what the protocol forbids
// is thrown.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include "tests/support/endpoint.h"
#include "tests/support/http_message.h"
#include "tests/support/unique_fd.h"

namespace support {

struct ClientError : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct ConnectionReset : ClientError {
  using ClientError::ClientError;
};
struct ConnectionEnded : ClientError {
  using ClientError::ClientError;
};

enum class Ending { kEndOfFile, kReset };
std::ostream& operator<<(std::ostream& out, Ending ending);

struct Remainder {
  std::string bytes;
  Ending ending = Ending::kEndOfFile;
};

// The counters of TCP_INFO that tell how bytes were cut into segments.
struct TcpFacts {
  std::uint64_t data_segments_in = 0;
  std::uint64_t data_segments_out = 0;
};

struct ClientOptions {
  int receive_buffer_bytes = 0;  // 0: the system's default
  std::string source{};          // "127.0.0.2", "2001:db8::1": where it comes from; empty: anywhere
};

class HttpClient {
 public:
  explicit HttpClient(const Endpoint& endpoint, ClientOptions options = {});

  void send(std::string_view bytes);
  // False when the server closed or reset the connection before it took everything.
  bool send_if_possible(std::string_view bytes);
  void send_byte_by_byte(std::string_view bytes);
  void half_close();
  void cut();  // at once, with RST

  // The next response, with its body; the method decides whether there is one.
  Response read_response(std::string_view method = "GET");
  Response read_head();
  std::string read_exactly(std::uint64_t size);
  // Everything until the server ends the connection.
  Remainder read_to_end();
  // Whether something (or the end) can be read now, without waiting.
  bool readable() const { return wait_readable_ms(0); }
  // The same, with a little patience: false is an answer here, not a failure.
  bool wait_readable_ms(int patience_ms) const;

  Response exchange(std::string_view method, std::string_view target, const Headers& headers = {});
  Response get(std::string_view target, const Headers& headers = {}) {
    return exchange("GET", target, headers);
  }

  TcpFacts tcp_facts() const;
  std::uint16_t local_port() const;  // of an IPv4 connection
  int fd() const { return socket_.get(); }

 private:
  enum class Received { kBytes, kEnd, kReset };
  Received receive_into(char* to, std::size_t room, std::size_t& got);
  void receive_more();  // into buffer_, or throws

  UniqueFd socket_;
  std::string buffer_;  // received and not yet handed out
};

// Whether somebody accepts connections there.
bool accepts_connections(const Endpoint& endpoint);

}  // namespace support
