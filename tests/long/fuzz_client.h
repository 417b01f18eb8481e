// One connection of the socket fuzzer: plays its script and judges what comes back.
#pragma once

#include <memory>

#include "tests/long/responses.h"
#include "tests/support/endpoint.h"
#include "tests/support/patience.h"
#include "tests/support/unique_fd.h"

namespace fuzz {

class Client {
 public:
  // Begins to connect, and tells `epoll` of itself.
  Client(uint64_t number, Script script, const support::Endpoint& endpoint, int epoll);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // When epoll has named it: sends a piece, receives what is there. Throws what is wrong.
  void go_on();
  bool ended() const { return !socket_.valid(); }
  // It has not ended, and should have.
  bool is_late() const { return deadline_.passed(); }

  uint64_t number() const { return number_; }
  const Script& script() const { return script_; }
  const std::map<int, uint64_t>& statuses() const { return responses_.statuses(); }

 private:
  void send_piece();
  void receive();
  void all_said();
  void end_by_client();

  const uint64_t number_;
  const Script script_;
  ResponseStream responses_{script_};
  const int epoll_;
  support::UniqueFd socket_;
  support::Deadline deadline_;
  size_t sent_bytes_ = 0;
  size_t received_bytes_ = 0;
  size_t piece_ = 0;  // index in script_.cuts
  bool said_all_ = false;
  bool is_reset_ = false;  // by the server
};

}  // namespace fuzz
