// The responses of one connection that are on their way, for the access log: noted when they are
// made, written when their last byte has left or the connection ends.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/http/request.h"
#include "server/log/access_log.h"
#include "server/send/transfer.h"

namespace ringserve {

class ResponseLog {
 public:
  // Where a response is: its head begins at byte `begin` of the transfer that it is added to; its
  // body follows, in this transfer or later ones.
  struct Extent {
    uint64_t begin_bytes, head_bytes, body_bytes;
  };
  void add(const http::Request& request, int status, int64_t received_at_us, Extent extent);

  // A transfer of the last response is over, and another one will go on with it.
  void carry(const send::Transfer& transfer);
  // The transfer is over, whole or cut short: writes what was added, unless there is no log any
  // more (null). `remote`: whom it was for, see remote_of().
  void finish(const send::Transfer& transfer, std::string_view remote, int64_t now_us,
              log::Channel* channel);
  // For another connection; the memory is kept.
  void reset();

 private:
  struct Pending {
    int64_t received_at_us;
    Extent extent;
    size_t text_at;  // target, host, referer, user agent, one behind the other
    uint32_t target_bytes, host_bytes, referer_bytes, user_agent_bytes;
    std::string_view method;
    uint16_t status;
    uint8_t version_minor;
  };

  std::vector<Pending> pending_;
  std::string text_;
  // Of earlier transfers of the same response.
  uint64_t carried_bytes_ = 0;
  uint64_t carried_zero_copy_bytes_ = 0;
  send::Mover mover_ = send::Mover::memory;  // of the last part that was sent from a file
};

// The other end of a socket as the log has it: "192.0.2.1", "2001:db8::1", "unix:".
std::string remote_of(int socket, bool is_tcp);

}  // namespace ringserve
