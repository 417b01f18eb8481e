// One connection of the administrator's side: reads requests, has them answered one after the
// other, sends without waiting. Of one thread, which calls poll(2) for all of them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "common/net/owned_fd.h"
#include "server/admin/responder.h"
#include "server/http/request_parser.h"

namespace ringserve::admin {

class Client {
 public:
  // Each is the time for the whole of it, so that nobody holds a place for longer by being slow.
  static constexpr int64_t kIdleMax_ms = 75'000;    // from a reply to the next request's first byte
  static constexpr int64_t kRequestMax_ms = 5'000;  // from there to its end
  static constexpr int64_t kReplyMax_ms = 10'000;   // for a reply to leave
  static constexpr int64_t kLingerMax_ms = 1'000;   // after the last reply, for the peer to close

  // `socket` is connected and non-blocking. `now_ms`, here and below: CLOCK_MONOTONIC.
  Client(net::OwnedFd socket, int64_t now_ms);

  int fd() const { return socket_.get(); }
  short events() const;  // what poll(2) is to wait for
  int64_t deadline_ms() const { return deadline_ms_; }
  bool is_idle() const { return state_ == State::reading && !parser_.started(); }

  // To be called when poll(2) says so. False: the connection is over, destroy this. Reads at most
  // kReadBytes, so others get their turn.
  bool advance(Responder& responder, int64_t now_ms);

 private:
  static constexpr size_t kReadBytes = 4096;
  enum class State { reading, replying, lingering };
  enum class Progress { done, blocked, broken };

  Progress receive();
  Progress send();
  bool answer_received(Responder& responder, int64_t now_ms);
  void begin_reply(std::string reply, bool keep_alive, int64_t now_ms);
  bool end_reply(int64_t now_ms);

  net::OwnedFd socket_;
  State state_ = State::reading;
  http::RequestParser parser_;
  std::string received_;  // and not yet parsed; at most kReadBytes
  std::string reply_;
  size_t sent_bytes_ = 0;  // of reply_
  bool keep_alive_ = true;
  int64_t deadline_ms_;
};

}  // namespace ringserve::admin
