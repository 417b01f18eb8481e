// One client: reading -> replying -> reading … -> lingering -> closing. Requests are answered in
// order; replies from memory are gathered into one send; a reply from a file goes out before the
// next request is looked at. Lives in a slot of its worker and is used by that thread only. Idle it
// owns its socket and nothing else.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "server/clients/addresses.h"
#include "server/operation.h"
#include "server/services.h"
#include "server/slots.h"

namespace ringserve {

class Connection {
 public:
  // Takes the socket over, and its client's address, which is empty where no limit needs it.
  // start() begins to receive.
  Connection(SlotId id, Services& services, int socket, bool is_tcp,
             clients::Addresses::Hold address);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void start();

  // What happened; the worker calls these.
  void on_received(const io_uring_cqe& cqe);
  void on_writable();
  void on_file_opened(const io_uring_cqe& cqe);
  void on_listed(listing::Listing listing);
  void on_path_completed(unsigned tag, const io_uring_cqe& cqe);
  bool on_turn();   // it asked to be run again; false if no transfer was waiting for that
  void on_flush();  // the turn is over: its replies leave
  void on_deadline();
  // Closes after the running response, or now if there is none and has been one.
  void drain();
  void end();  // at once: closes if nothing is under way, resets otherwise
  // A limit of addresses is in force from now on; this connection counts, whatever the limit.
  void enter_address(clients::Addresses& addresses);

  // Nothing refers to it any more: the worker may destroy it.
  bool finished() const {
    return state_ == State::closing && operations_ == 0 &&
           (transfer_ == nullptr || transfer_->in_flight == 0);
  }
  SlotId id() const { return id_; }
  const void* address() const { return address_.id(); }  // null if there is none

 private:
  enum class State : uint8_t { reading, replying, lingering, closing };

  // --- receiving ---
  void arm_receive();
  void cancel_receive();
  void take_input(std::span<const char> bytes);
  void stash(std::span<const char> bytes);
  void input_ended();
  void refuse_tls();
  size_t consume(std::span<const char> bytes);
  void pump();

  bool wants_input() const;
  void give_back_idle_parser();
  bool is_idle() const;
  bool request_begun() const { return parser_ != nullptr && parser_->started(); }
  bool request_is_answerable() const;

  // --- answering ---
  bool may_answer() const {
    return state_ == State::reading && search_ == nullptr && !close_after_reply_;
  }
  // False once what comes in is only discarded.
  bool may_have_more_to_answer() const {
    return (state_ == State::reading || state_ == State::replying) && !close_after_reply_;
  }
  void answer();
  bool takes_more_requests();
  bool keeps_request_rate();
  void seek(ServedSite& site, std::string_view path, Purpose purpose, int status = 0);
  void follow(std::unique_ptr<Search> search);
  void submit_open();
  void ask_for_listing();
  void answer_search(const Search& search);
  void answer_with_found(ServedSite& site, const files::FileRef& file, Purpose purpose, int status);
  void answer_with_file(ServedSite& site, const files::FileRef& file, bool is_listing = false);
  void answer_with_error_page(ServedSite& site, const files::FileRef& file, int status);
  void answer_not_found(ServedSite& site);
  void answer_with_options(ServedSite& site);
  void answer_with_directory(ServedSite& site, const std::string& path);
  void answer_with_redirect(ServedSite& site, std::string_view location);
  void answer_with_error(int status, ServedSite* site);
  void answer_in_text(int status, ServedSite* site);
  void add_body(const files::FileRef& file, uint64_t offset, uint64_t length);
  void add_parts(const files::FileRef& file, http::Reply& reply);
  void add_next_part();
  http::ErrorFacts facts_for_error(const ServedSite* site) const;
  void request_answered(int status, uint64_t begin_bytes, uint64_t head_bytes, uint64_t body_bytes);
  send::Transfer& outgoing();
  bool has_room() const;

  // --- sending ---
  void flush();
  void flush_and_yield();
  void yield();
  void flush_later();
  void settle(send::Outcome outcome);
  void report_failure(int error);
  void watch_sending(send::Progress progress);
  void look_at_sending();
  size_t unacknowledged_bytes() const;
  clients::SendWatch::Limits send_limits() const;
  void transfer_done();
  void go_on_with_parts();
  void count_transfer();
  void note_remote();
  void await_writable();

  // --- ending ---
  void wait_for_request();
  bool leaves_end_to_client() const;
  void linger();
  void end_first();
  void end_after_waiting();
  void close(bool reset);
  void release_transfer();

  SlotId id_;
  Services& services_;
  net::OwnedFd socket_;
  State state_ = State::reading;
  bool is_tcp_ : 1;
  bool receiving_ : 1 = false;  // a multishot receive is armed
  bool receive_cancelled_ : 1 = false;
  bool awaiting_writable_ : 1 = false;
  bool input_ended_ : 1 = false;  // the client has sent its FIN
  bool close_after_reply_ : 1 = false;
  bool keep_alive_ : 1 = true;      // of the request being answered
  bool client_ends_ : 1 = false;    // it asked for the end and has sent nothing since
  bool told_the_end_ : 1 = false;   // the last reply says that it is, and the client knows HTTP/1.1
  bool waits_for_end_ : 1 = false;  // lingering, and the client is to close first
  bool flush_pending_ : 1 = false;  // on_flush() will be called
  bool yielding_ : 1 = false;       // it had its turn; on_turn() will be called
  bool untouched_ : 1 = true;       // nothing has been received yet
  bool request_timed_ : 1 = false;  // the deadline is that of the request being received
  bool idle_timed_ : 1 = false;     // the same, of the wait for its first byte
  uint32_t requests_ = 0;           // answered, or being answered
  uint16_t operations_ = 0;  // ring operations that will still complete with this slot's name

  struct Parts {
    std::unique_ptr<http::Multipart> left;
    files::FileRef file;
  };
  struct Input {
    std::string bytes;
    size_t at = 0;
  };
  std::unique_ptr<http::RequestParser> parser_;     // a request has begun to arrive or waits
  std::unique_ptr<send::Transfer> transfer_;        // replies being gathered or sent
  std::unique_ptr<Search> search_;                  // waits for the disk or the lister
  std::unique_ptr<Input> input_;                    // received while a reply was on its way
  std::unique_ptr<Parts> parts_;                    // of a multipart reply, still to be sent
  std::unique_ptr<ResponseLog> log_;                // of the replies in transfer_
  std::unique_ptr<clients::SendWatch> send_watch_;  // transfer_ has had to wait
  clients::Addresses::Hold address_;
  std::unique_ptr<const std::string> remote_;  // for the log; null where there was none so far
};

}  // namespace ringserve
