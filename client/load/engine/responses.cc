// Answers, as they come in: heads that were seen before are recognised by their bytes, the others
// parsed; bodies are counted, compared, or left to the kernel to discard. Whatever is called here
// may drop the connection's socket: its generation tells.
#include <algorithm>
#include <cstring>

#include "client/load/engine/worker.h"
#include "common/check.h"
#include "common/measure/cpu_time.h"

namespace ringload {

void Worker::on_receive(Connection& connection, const io_uring_cqe& cqe) {
  connection.receiving = false;
  if (cqe.res == -ENOBUFS) {
    without_buffer_.push_back(connection.slot);
    return;
  }
  if (cqe.res < 0) return lose_connection(connection, "recv", net::errno_name(-cqe.res));
  if (cqe.res == 0) {
    if ((cqe.flags & IORING_CQE_F_BUFFER) != 0) buffers_->give_back(cqe);
    return on_end_of_file(connection);
  }
  const uint32_t generation = connection.generation;
  const std::span<const char> input = buffers_->received(cqe);
  interval_->bytes += input.size();
  now_ns_ = measure::monotonic_ns();
  consume(connection, {input.data(), input.size()});
  buffers_->give_back(cqe);
  if (connection.generation == generation) after_input(connection);
}

void Worker::on_discard(Connection& connection, int result) {
  connection.receiving = false;
  if (result < 0) return lose_connection(connection, "recv", net::errno_name(-result));
  if (result == 0) return on_end_of_file(connection);
  const auto length = static_cast<uint64_t>(result);
  CHECK(connection.in_body && length <= connection.body_left);
  interval_->bytes += length;
  now_ns_ = measure::monotonic_ns();
  connection.body_left -= length;
  const uint32_t generation = connection.generation;
  if (connection.body_left == 0) complete_response(connection);
  if (connection.generation == generation) after_input(connection);
}

void Worker::on_end_of_file(Connection& connection) {
  if (connection.state == Connection::State::ending) {
    drop_socket(connection);
    return reopen(connection);
  }
  if (!connection.in_body && !connection.parser.idle() && connection.parser.complete_at_end()) {
    connection.head = connection.parser.head();
    const uint32_t generation = connection.generation;
    complete_response(connection);
    if (connection.generation != generation) return;
    if (connection.pending.empty()) {
      drop_socket(connection);
      return reopen(connection);
    }
  }
  const bool head_seen = connection.in_body || connection.parser.head().status != 0;
  if (head_seen) return lose_connection(connection, "body", "SHORT");
  if (connection.pending.empty() && connection.answered > 0) {  // an idle one: the server's right
    drop_socket(connection);
    return reopen(connection);
  }
  lose_connection(connection, "recv", "EOF");
}

void Worker::consume(Connection& connection, std::string_view input) {
  const uint32_t generation = connection.generation;
  while (!input.empty() && connection.generation == generation) {
    if (connection.state == Connection::State::ending) return;  // bytes that nobody asked for
    if (connection.in_body) {
      consume_body(connection, input);
    } else if (connection.pending.size() == connection.unsent) {
      return lose_connection(connection, "parse", "UNEXPECTED_BYTES");
    } else if (!consume_head(connection, input)) {
      return;
    }
  }
}

// False when the connection was lost.
bool Worker::consume_head(Connection& connection, std::string_view& input) {
  // By request, since heads differ by path; where two share a place, more heads are parsed.
  KnownHead& known = known_heads_[connection.pending.front().request % known_heads_.size()];
  const bool at_start = connection.parser.idle();
  if (at_start && !known.bytes.empty() && input.size() >= known.bytes.size() &&
      std::memcmp(input.data(), known.bytes.data(), known.bytes.size()) == 0) {
    input.remove_prefix(known.bytes.size());
    begin_body(connection, known.head);
    return true;
  }
  const std::string_view whole = input;
  body_parts_.clear();
  const auto state = connection.parser.feed(
      input, plan_.method == "HEAD", plan_.body == BodyMode::verify ? &body_parts_ : nullptr);
  if (state == ResponseParser::State::failed) {
    lose_connection(connection, "parse", connection.parser.error());
    return false;
  }
  if (connection.body_offset == kBodyNotBegun && connection.parser.head().status != 0) {
    connection.head = connection.parser.head();
    connection.body_offset = first_body_byte(connection);
  }
  for (const std::string_view part : body_parts_) check_body(connection, part);
  if (state == ResponseParser::State::need_more) return true;
  if (state == ResponseParser::State::message_complete) {
    complete_response(connection);
    return true;
  }
  const ResponseHead head = connection.parser.head();
  connection.parser.reset();
  if (at_start) known = {std::string(whole.substr(0, whole.size() - input.size())), head};
  begin_body(connection, head);
  return true;
}

void Worker::begin_body(Connection& connection, const ResponseHead& head) {
  connection.head = head;
  connection.body_left = head.content_length;
  connection.body_offset = first_body_byte(connection);
  connection.in_body = true;
  if (connection.body_left == 0) complete_response(connection);
}

void Worker::consume_body(Connection& connection, std::string_view& input) {
  const auto length = static_cast<size_t>(std::min<uint64_t>(connection.body_left, input.size()));
  if (plan_.body == BodyMode::verify) check_body(connection, input.substr(0, length));
  input.remove_prefix(length);
  connection.body_left -= length;
  if (connection.body_left == 0) complete_response(connection);
}

// Where in the expected file the body begins.
uint64_t Worker::first_body_byte(const Connection& connection) const {
  return connection.head.status == 206 ? connection.head.range_first.value_or(0) : 0;
}

void Worker::check_body(Connection& connection, std::string_view part) {
  const std::string_view whole = expected_of(connection);
  const uint64_t at = connection.body_offset;
  if (at > whole.size() || part.size() > whole.size() - at ||
      std::memcmp(whole.data() + at, part.data(), part.size()) != 0) {
    connection.mismatch = true;
  }
  connection.body_offset += part.size();
}

std::string_view Worker::expected_of(Connection& connection) const {
  return materials_.expected[connection.target]->at(connection.pending.front().request);
}

// What --body verify has against this complete response; empty: nothing.
std::string_view Worker::fault_of_body(Connection& connection) const {
  const ResponseHead& head = connection.head;
  const bool has_body = plan_.method != "HEAD" && (head.status == 200 || head.status == 206);
  if (plan_.body != BodyMode::verify || !has_body) return {};
  if (head.encoded || (head.status == 206 && !head.range_first)) return "UNVERIFIABLE";
  if (connection.mismatch) return "MISMATCH";
  const bool whole = head.status == 206 || connection.body_offset == expected_of(connection).size();
  return whole ? std::string_view() : "MISMATCH";
}

void Worker::complete_response(Connection& connection) {
  const PendingRequest request = connection.pending.front();
  const unsigned status = connection.head.status;
  const std::string_view fault = fault_of_body(connection);
  if (status < interval_->statuses.size()) ++interval_->statuses[status];
  if (status >= 400) {
    interval_->count_error("status", std::to_string(status));
  } else if (!fault.empty()) {
    interval_->count_error("body", fault);
  } else if (now_ns_ < control_.measured_from_ns) {
    ++interval_->requests;  // shown in the warm-up's row, and in no total
  } else if (request.from_ns >= control_.measured_from_ns) {
    ++(end_row_handed_over_ ? interval_->answered_late : interval_->requests);
    interval_->latency_ns.record(
        static_cast<uint64_t>(std::max<int64_t>(0, now_ns_ - request.from_ns)));
  }
  if (connection.answered > 0) ++interval_->reused;
  ++connection.answered;
  connection.failures = 0;
  connection.pending.pop();
  --in_flight_;
  --outstanding_;
  connection.in_body = connection.mismatch = false;
  connection.body_offset = kBodyNotBegun;
  if (!connection.parser.idle()) connection.parser.reset();
  const bool asked = request.last && plan_.close_by == CloseBy::server;
  if (connection.head.keep_alive && !asked) return;
  connection.closing = true;
  // After our own last request we close, also where the server says that it will.
  connection.server_closes = asked || !request.last;
}

// The input at hand is used up: ask for more, or end the connection, and wait for what follows.
void Worker::after_input(Connection& connection) {
  if (connection.state == Connection::State::open) {
    refill(connection);
    if (connection.state != Connection::State::open) return;
    const uint32_t limit = plan_.requests_per_connection;
    const bool finished =
        connection.closing || (limit != 0 && connection.taken >= limit) || !wanted(connection);
    if (finished && connection.pending.empty()) return end_connection(connection);
    if (keeps_going(connection)) make_available(connection);
  }
  arm_receive(connection);
}

}  // namespace ringload
