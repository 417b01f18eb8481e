// Counts in bytes of the transfer: a response has left when the transfer has passed its end.
#include "server/response_log.h"

#include <algorithm>
#include <utility>

#include "common/net/address.h"
#include "server/http/limits.h"

namespace ringserve {
namespace {

// Of each text. Requests that were refused for their length may have longer ones.
constexpr uint32_t kLoggedBytesMax = http::kTargetBytesMax;

// Of the texts of a connection: what more there was is given back.
constexpr size_t kKeptBytesMax = 4 * kLoggedBytesMax;

}  // namespace

void ResponseLog::add(const http::Request& request, int status, int64_t received_at_us,
                      Extent extent) {
  Pending& pending = pending_.emplace_back();
  pending.received_at_us = received_at_us;
  pending.extent = extent;
  pending.text_at = text_.size();
  pending.target_bytes = keep(request.target);
  pending.host_bytes = keep(request.host);
  pending.referer_bytes = keep(request.referer);
  pending.user_agent_bytes = keep(request.user_agent);
  pending.method = request.method_name;
  pending.status = static_cast<uint16_t>(status);
  pending.version_minor = request.version_minor;
}

uint32_t ResponseLog::keep(std::string_view text) {
  if (!text.empty()) text_ += text;
  return static_cast<uint32_t>(text.size());
}

void ResponseLog::carry(const send::Transfer& transfer) {
  carried_bytes_ += transfer.sent_bytes();
  if (transfer.file_sent_bytes() > 0) mover_ = transfer.mover;
  if (!send::copies(transfer.mover)) carried_zero_copy_bytes_ += transfer.file_sent_bytes();
}

void ResponseLog::finish(const send::Transfer& transfer, std::string_view remote, int64_t now_us) {
  carry(transfer);
  end_bytes_ = carried_bytes_ - transfer.sent_bytes() + transfer.queued_bytes();
  aborted_ = transfer.aborted;
  finished_at_us_ = now_us;
  remote_ = remote;
}

void ResponseLog::write(log::Channel& channel) const {
  for (size_t i = 0; i < pending_.size(); ++i) {
    const Pending& pending = pending_[i];
    const bool last = i + 1 == pending_.size();
    const uint64_t begin_bytes = pending.extent.begin_bytes;
    const uint64_t length = (last ? end_bytes_ : pending_[i + 1].extent.begin_bytes) - begin_bytes;
    const uint64_t sent = std::min(carried_bytes_ - std::min(carried_bytes_, begin_bytes), length);
    const uint64_t zero_copy = last ? carried_zero_copy_bytes_ : 0;
    const int64_t duration_us = finished_at_us_ - pending.received_at_us;
    const send::Mover mover = last ? mover_ : send::Mover::memory;
    const char* text = text_.data() + pending.text_at;
    const auto take = [&text](uint32_t bytes) {
      return std::string_view(std::exchange(text, text + bytes), std::min(bytes, kLoggedBytesMax));
    };
    // All at once: a record that is made empty first costs as much again.
    channel.write(log::Record{
        .remote = remote_,
        .received_at_us = pending.received_at_us,
        .duration_us = static_cast<uint64_t>(std::max<int64_t>(duration_us, 0)),
        .method = pending.method,
        .target = take(pending.target_bytes),
        .version_minor = pending.version_minor,
        .host = take(pending.host_bytes),
        .referer = take(pending.referer_bytes),
        .user_agent = take(pending.user_agent_bytes),
        .status = pending.status,
        .sent_bytes = sent,
        .body_bytes = sent - std::min(sent, pending.extent.head_bytes),
        .copied_bytes = sent - std::min(sent, zero_copy),
        .zero_copy_bytes = zero_copy,
        .send_path = pending.extent.body_bytes > 0 ? send::name_of(mover) : std::string_view(),
        // The connection ends in the last one, if at all.
        .complete = sent == length && !(last && aborted_),
    });
  }
}

void ResponseLog::reset() {
  pending_.clear();
  text_.clear();
  if (text_.capacity() > kKeptBytesMax) text_.shrink_to_fit();
  carried_bytes_ = carried_zero_copy_bytes_ = 0;
  mover_ = send::Mover::memory;
}

void ResponseLogs::use(log::Channel* channel) {
  flush();
  dropped_before_ = dropped();
  channel_ = channel;
}

void ResponseLogs::finished(std::unique_ptr<ResponseLog> log) {
  finished_.push_back(std::move(log));
  if (finished_.size() >= kTogetherMax) write();
}

void ResponseLogs::write() {
  for (auto& log : finished_) {
    if (channel_ != nullptr) log->write(*channel_);
    pool_.give_back(std::move(log));
  }
  finished_.clear();
}

uint64_t ResponseLogs::dropped() const {
  return dropped_before_ + (channel_ == nullptr ? 0 : channel_->dropped());
}

void ResponseLogs::flush() {
  write();
  if (channel_ != nullptr) channel_->flush();
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
