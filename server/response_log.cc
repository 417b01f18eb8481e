// Counts in bytes of the transfer: a response has left when the transfer has passed its end.
#include "server/response_log.h"

#include <algorithm>

#include "common/net/address.h"
#include "server/http/limits.h"

namespace ringserve {
namespace {

// Of each text. Requests that were refused for their length may have longer ones.
constexpr size_t kLoggedBytesMax = http::kTargetBytesMax;

}  // namespace

void ResponseLog::add(const http::Request& request, int status, int64_t received_at_us,
                      Extent extent) {
  Pending& pending = pending_.emplace_back();
  pending.received_at_us = received_at_us;
  pending.extent = extent;
  pending.text_at = text_.size();
  const auto keep = [this](std::string_view text) {
    text = text.substr(0, kLoggedBytesMax);
    text_ += text;
    return static_cast<uint32_t>(text.size());
  };
  pending.target_bytes = keep(request.target);
  pending.host_bytes = keep(request.host);
  pending.referer_bytes = keep(request.referer);
  pending.user_agent_bytes = keep(request.user_agent);
  pending.method = request.method_name;
  pending.status = static_cast<uint16_t>(status);
  pending.version_minor = request.version_minor;
}

void ResponseLog::carry(const send::Transfer& transfer) {
  carried_bytes_ += transfer.sent_bytes();
  if (transfer.file_sent_bytes() > 0) mover_ = transfer.mover;
  if (!send::copies(transfer.mover)) carried_zero_copy_bytes_ += transfer.file_sent_bytes();
}

void ResponseLog::finish(const send::Transfer& transfer, std::string_view remote, int64_t now_us,
                         log::Channel* channel) {
  carry(transfer);
  const uint64_t queued_bytes = carried_bytes_ - transfer.sent_bytes() + transfer.queued_bytes();
  for (size_t i = 0; channel != nullptr && i < pending_.size(); ++i) {
    const Pending& pending = pending_[i];
    const bool last = i + 1 == pending_.size();
    const uint64_t end_bytes = last ? queued_bytes : pending_[i + 1].extent.begin_bytes;
    const uint64_t length = end_bytes - pending.extent.begin_bytes;
    const uint64_t sent =
        std::min(carried_bytes_ - std::min(carried_bytes_, pending.extent.begin_bytes), length);
    log::Record record;
    record.remote = remote;
    record.received_at_us = pending.received_at_us;
    record.duration_us =
        static_cast<uint64_t>(std::max<int64_t>(now_us - pending.received_at_us, 0));
    record.method = pending.method;
    record.version_minor = pending.version_minor;
    std::string_view text = std::string_view(text_).substr(pending.text_at);
    const auto take = [&text](uint32_t bytes) {
      const std::string_view part = text.substr(0, bytes);
      text.remove_prefix(bytes);
      return part;
    };
    record.target = take(pending.target_bytes);
    record.host = take(pending.host_bytes);
    record.referer = take(pending.referer_bytes);
    record.user_agent = take(pending.user_agent_bytes);
    record.status = pending.status;
    record.sent_bytes = sent;
    // The connection ends in the last one, if at all.
    record.complete = sent == length && !(last && transfer.aborted);
    record.body_bytes = sent - std::min(sent, pending.extent.head_bytes);
    record.zero_copy_bytes = last ? carried_zero_copy_bytes_ : 0;
    record.copied_bytes = sent - std::min(sent, record.zero_copy_bytes);
    if (pending.extent.body_bytes > 0) {
      record.send_path = send::name_of(last ? mover_ : send::Mover::memory);
    }
    channel->write(record);
  }
}

void ResponseLog::reset() {
  pending_.clear();
  text_.clear();
  carried_bytes_ = carried_zero_copy_bytes_ = 0;
  mover_ = send::Mover::memory;
}

std::string remote_of(int socket, bool is_tcp) {
  if (!is_tcp) return "unix:";
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  // ENOTCONN: the client has reset the connection already.
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&address), &size) < 0) return "-";
  return net::Address::of_sockaddr(reinterpret_cast<sockaddr*>(&address), size).host_text();
}

}  // namespace ringserve
