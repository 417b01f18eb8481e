// The responses of one connection that are on their way, for the access log: noted when they are
// made, written after their last byte has left or the connection has ended.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/http/request.h"
#include "server/log/access_log.h"
#include "server/pool.h"
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
  // The transfer is over, whole or cut short. `remote`: whom it was for, see remote_of().
  void finish(const send::Transfer& transfer, std::string_view remote, int64_t now_us);
  // A line for each response, after finish().
  void write(log::Channel& channel) const;
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

  uint32_t keep(std::string_view text);

  std::vector<Pending> pending_;
  std::string text_;
  // Of earlier transfers of the same response; after finish() of all.
  uint64_t carried_bytes_ = 0;
  uint64_t carried_zero_copy_bytes_ = 0;
  send::Mover mover_ = send::Mover::memory;  // of the last part that was sent from a file
  // Known by finish().
  uint64_t end_bytes_ = 0;  // where the last response ends
  bool aborted_ = false;
  int64_t finished_at_us_ = 0;
  std::string remote_;
};

// Those of one worker's connections, on their way to its channel. Lines are made many at a time,
// later in the same turn: between two sends the code for it would have to be brought into the CPU's
// first cache each time, which costs more than the line.
class ResponseLogs {
 public:
  bool is_on() const { return channel_ != nullptr; }
  // What is finished from now on is written there; null: nowhere.
  void use(log::Channel* channel);

  std::unique_ptr<ResponseLog> take() { return pool_.take(); }
  void finished(std::unique_ptr<ResponseLog> log);
  // At the end of each turn: writes what is finished, and lets the log's thread see it.
  void flush();
  uint64_t dropped() const;  // lines, by all channels so far

 private:
  static constexpr size_t kTogetherMax = 32;

  void write();

  log::Channel* channel_ = nullptr;
  uint64_t dropped_before_ = 0;  // by earlier ones
  std::vector<std::unique_ptr<ResponseLog>> finished_;
  Pool<ResponseLog> pool_;
};

// The other end of a socket as the log has it: "192.0.2.1", "2001:db8::1", "unix:".
std::string remote_of(int socket, bool is_tcp);

}  // namespace ringserve
