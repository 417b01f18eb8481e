// What the administrator's side answers: request in, whole reply out. It takes the snapshots and
// keeps the history; it touches no socket. Of one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "server/admin/history.h"
#include "server/admin/snapshot.h"
#include "server/http/reply.h"
#include "server/http/request.h"

namespace ringserve::admin {

class Responder {
 public:
  // A snapshot younger than this answers again, so that polling costs a bounded share of the CPU.
  static constexpr int64_t kSnapshotAgeMax_ms = 100;
  static constexpr int64_t kSampleInterval_ms = 1000;

  explicit Responder(std::function<Snapshot()> take);

  // `now_ms`, here and below: CLOCK_MONOTONIC, never going back.
  // The head, and the body unless it is HEAD. `keep_alive` is what the reply says of the
  // connection.
  std::string reply(const http::Request& request, bool keep_alive, int64_t now_ms);
  // For one that cannot be answered, as far as it is known; the connection is closed after it.
  std::string refusal(const http::Request& request, int status);

  // Takes a sample for the history where one is due; call it at next_sample_ms() or soon after.
  void sample(int64_t now_ms);
  int64_t next_sample_ms() const { return next_sample_ms_; }

 private:
  struct Content {
    int status = 200;
    std::string_view type = "text/plain; charset=utf-8";
    std::string body{};
    std::string_view fields{};  // further ones, whole lines
  };

  const Snapshot& fresh(int64_t now_ms);
  Content content_of(std::string_view path, int64_t now_ms);
  std::string assembled(const Content& content, bool head_only, bool keep_alive);

  std::function<Snapshot()> take_;
  Snapshot snapshot_;
  int64_t taken_at_ms_ = -kSnapshotAgeMax_ms - 1;
  int64_t next_sample_ms_ = 0;
  bool sampled_ = false;
  History history_;
  http::Preamble preamble_{"ringserve/" RINGSERVE_VERSION};
};

}  // namespace ringserve::admin
