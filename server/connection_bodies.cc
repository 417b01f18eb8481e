// What follows a reply's head into the transfer, part by part, and what is counted and logged when
// it has left.
#include <linux/sockios.h>
#include <spdlog/spdlog.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <ctime>

#include "server/connection.h"
#include "server/log/escape.h"

namespace ringserve {
namespace {

int64_t realtime_us() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1'000'000 + now.tv_nsec / 1'000;
}

// sendfile(2) and splice(2) give the errors of both their ends. Those of the client's end are
// nobody's fault here and are not worth a line.
bool is_the_clients_end(int error) {
  switch (error) {
    case EPIPE:
    case ECONNRESET:
    case ECONNABORTED:
    case ENOTCONN:
    case ETIMEDOUT:  // it has acknowledged nothing for too long: tcp(7)
    case EHOSTUNREACH:
    case EHOSTDOWN:
    case ENETUNREACH:
    case ENETDOWN: return true;
    default: return false;
  }
}

bool is_short_of_memory(int error) { return error == ENOMEM || error == ENOBUFS; }

}  // namespace

void Connection::report_failure(int error) {
  if (is_the_clients_end(error)) return;
  const std::string_view name = transfer_->file().name;
  if (is_short_of_memory(error)) {
    spdlog::error(
        "{}: {} while sending: the kernel is short of memory, or a limit (net.ipv4.tcp_mem, "
        "RLIMIT_MEMLOCK, the cgroup's memory.max) is low; connection reset",
        name.empty() ? "a reply" : log::quoted(name), net::errno_name(error));
    return;
  }
  services_.statistics.disk_errors.add();
  spdlog::error("disk error: {}: {} at byte {} while sending; connection reset; see dmesg(1)",
                log::quoted(name), net::errno_name(error), transfer_->file().offset);
}

void Connection::add_body(const files::FileRef& file, uint64_t offset, uint64_t length) {
  if (length == 0) return;
  send::Transfer& out = outgoing();
  Counter& from_memory =
      services_.statistics.body_bytes_by[static_cast<size_t>(send::Mover::memory)];
  if (services_.bodies_from_memory && file->body_in_memory) {
    out.add_memory(std::string_view(file->body).substr(offset, length), file);
    return from_memory.add(length);
  }
  send::FileRange range{file, file->name, file->fd.get(), offset, length, file->opening};
  const bool gather =
      services_.bodies_from_memory && range.length <= services_.memory_body_bytes_max;
  if (gather && out.add_warm_file(range)) return from_memory.add(length);
  out.set_file(std::move(range));
  client_ends_ = false;  // it takes its time: what else arrives meanwhile must not reset it
}

void Connection::add_parts(const files::FileRef& file, http::Reply& reply) {
  parts_ = std::make_unique<Parts>(Parts{std::move(reply.parts), file});
  client_ends_ = false;
  add_next_part();
}

// One part is one transfer: its head from memory, then its bytes from the file.
void Connection::add_next_part() {
  http::ByteRange range;
  const bool is_part = parts_->left->next(services_.text, range);
  outgoing().add_copy(services_.text);
  if (!is_part) return parts_.reset();
  const files::FileRef& file = parts_->file;
  outgoing().set_file(
      {file, file->name, file->fd.get(), range.offset, range.length, file->opening});
}

void Connection::transfer_done() {
  CHECK(transfer_->empty() && transfer_->in_flight == 0);
  if (parts_ != nullptr) return go_on_with_parts();
  release_transfer();
  state_ = State::reading;
  request_timed_ = idle_timed_ = false;
  if (close_after_reply_) linger();
}

// A multipart reply: its next part follows in the same transfer, begun anew.
void Connection::go_on_with_parts() {
  services_.path.release(*transfer_);
  count_transfer();
  if (log_ != nullptr) log_->carry(*transfer_);
  if (send_watch_ != nullptr) {
    send_watch_->shift(static_cast<int64_t>(transfer_->sent_bytes()));
  }
  const bool had_its_turn = transfer_->file_sent_bytes() >= send::kTurnBytesMax;
  transfer_->reset();
  add_next_part();
  settle(had_its_turn ? send::Outcome{send::Progress::again, 0}
                      : services_.path.advance(*transfer_));
}

void Connection::release_transfer() {
  services_.path.release(*transfer_);
  count_transfer();
  if (log_ != nullptr) {
    log_->finish(*transfer_, *remote_, realtime_us());
    services_.log.finished(std::move(log_));
  }
  services_.transfers.give_back(std::move(transfer_));
  if (send_watch_ != nullptr) services_.send_watches.give_back(std::move(send_watch_));
}

// --- a client that takes its time ---

// What the client's kernel has not acknowledged. A Unix socket does not tell in bytes of the stream
// (unix(7)): there, what the socket has taken counts as taken.
size_t Connection::unacknowledged_bytes() const {
  int bytes = 0;
  if (!is_tcp_ || ::ioctl(socket_.get(), SIOCOUTQ, &bytes) < 0 || bytes < 0) return 0;
  return static_cast<size_t>(bytes);
}

clients::SendWatch::Limits Connection::send_limits() const {
  return {services_.timeouts.send_ms, is_tcp_ ? services_.limits.send_rate_bytes_per_s : 0};
}

void Connection::watch_sending(send::Progress progress) {
  using clients::SendWatch;
  if (send_watch_ == nullptr) {
    send_watch_ = services_.send_watches.take();
    send_watch_->begin(services_.now_ms, static_cast<int64_t>(transfer_->sent_bytes()) -
                                             static_cast<int64_t>(unacknowledged_bytes()));
  }
  const bool waits_for_us =
      progress == send::Progress::starved || progress == send::Progress::in_flight;
  send_watch_->moved(services_.now_ms, waits_for_us && !awaiting_writable_
                                           ? SendWatch::Waits::for_us
                                           : SendWatch::Waits::for_client);
  services_.timers.set(id_.slot, send_watch_->next_look_ms(send_limits()));
}

void Connection::look_at_sending() {
  using Verdict = clients::SendWatch::Verdict;
  CHECK(transfer_ != nullptr && send_watch_ != nullptr);
  const size_t left = unacknowledged_bytes();
  const int64_t taken = static_cast<int64_t>(transfer_->sent_bytes()) - static_cast<int64_t>(left);
  switch (send_watch_->look(services_.now_ms, taken, left == 0, send_limits())) {
    case Verdict::in_time:
      services_.timers.set(id_.slot, send_watch_->next_look_ms(send_limits()));
      return;
    case Verdict::silent: services_.statistics.count(Timeout::send); return close(true);
    case Verdict::too_slow: services_.statistics.count(Limit::send_rate); return close(true);
  }
}

void Connection::note_remote() {
  remote_ = std::make_unique<const std::string>(remote_of(socket_.get(), is_tcp_));
}

void Connection::count_transfer() {
  Statistics& statistics = services_.statistics;
  const uint64_t file_bytes = transfer_->file_sent_bytes();
  const bool copied = send::copies(transfer_->mover);
  statistics.sent_bytes.add(transfer_->sent_bytes());
  statistics.copied_bytes.add(transfer_->sent_bytes() - (copied ? 0 : file_bytes));
  if (file_bytes > 0) {
    statistics.body_bytes_by[static_cast<size_t>(transfer_->mover)].add(file_bytes);
  }
}

}  // namespace ringserve
