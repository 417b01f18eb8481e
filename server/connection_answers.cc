// What a connection answers: request to file to reply. Everything here only gathers bytes into the
// outgoing transfer; connection.cc sends them.
#include <spdlog/spdlog.h>

#include "server/connection.h"
#include "server/operation.h"

namespace ringserve {

// Answers the request in parser_, or sends for the file it needs.
void Connection::answer() {
  const http::Request& request = parser_->request();
  const bool whole = parser_->state() == http::RequestParser::State::complete;
  keep_alive_ = whole && request.keep_alive && !services_.draining;
  client_ends_ = whole && request.asks_to_close;
  if (parser_->state() == http::RequestParser::State::failed) {
    return answer_with_error(parser_->error_status());
  }
  if (request.method == http::Method::other) return answer_with_error(405);
  look_up(request);
}

void Connection::look_up(const http::Request& request) {
  http::Target& target = services_.target;
  if (const int status = http::decode_target(request.target, target); status != 0) {
    if (status == 400) keep_alive_ = false;  // whoever sends that is not to be trusted with more
    return answer_with_error(status);
  }
  if (target.hidden && !services_.serve_hidden) return answer_with_error(404);
  if (const files::FileRef* file = services_.site.find_cached(target.path, services_.now_ms)) {
    return answer_with_file(*file);
  }
  auto lookup = services_.lookups.take();
  services_.site.find(target.path, services_.now_ms, *lookup);
  if (lookup->outcome == files::Lookup::Outcome::wants_open) {
    lookup_ = std::move(lookup);
    submit_open();
    return;
  }
  answer_lookup(*lookup);
  services_.lookups.give_back(std::move(lookup));
}

// The directory is not in memory: the ring opens the file while others are served.
void Connection::submit_open() {
  io_uring_sqe* sqe = services_.ring.next_entry();
  io_uring_prep_openat2(sqe, services_.site.root_fd(), lookup_->open_path.c_str(), &lookup_->how);
  io_uring_sqe_set_data64(sqe, pack(Operation::open_file, id_));
  ++operations_;
}

void Connection::on_file_opened(const io_uring_cqe& cqe) {
  --operations_;
  if (state_ == State::lingering || state_ == State::closing) {
    if (cqe.res >= 0) net::OwnedFd(cqe.res).reset();
    return;
  }
  services_.site.opened(*lookup_, cqe.res, services_.now_ms);
  if (lookup_->outcome == files::Lookup::Outcome::wants_open) return submit_open();
  pump();
}

void Connection::answer_lookup(const files::Lookup& lookup) {
  using Outcome = files::Lookup::Outcome;
  switch (lookup.outcome) {
    case Outcome::file: return answer_with_file(lookup.file);
    case Outcome::directory: return answer_with_redirect(lookup.path + '/');
    case Outcome::not_found: return answer_with_error(404);
    case Outcome::forbidden: return answer_with_error(403);
    case Outcome::exhausted: return answer_with_error(503);
    case Outcome::failed:
      spdlog::error("{}: open: {}", lookup.open_path, net::errno_name(lookup.error));
      return answer_with_error(500);
    case Outcome::wants_open: break;
  }
  CHECK(false);
}

void Connection::answer_with_file(const files::FileRef& file) {
  const http::EntityFacts facts{file->size_bytes, file->mtime_s, file->etag, file->description};
  send::Transfer& out = outgoing();
  http::HeadBuffer head(out.free_space(), http::kReplyHeadBytesMax);
  const http::Reply reply =
      http::reply_with_file(parser_->request(), facts, services_.preamble, keep_alive_, head);
  out.commit(head.size());
  request_answered();
  if (reply.body_length == 0) return;
  if (services_.bodies_from_memory && file->body_in_memory) {
    const std::string_view body(file->body);
    out.add_memory(body.substr(reply.body_offset, reply.body_length), file);
    return;
  }
  send::FileRange range{
      file, file->name, file->fd.get(), reply.body_offset, reply.body_length, file->opening};
  const bool gather =
      services_.bodies_from_memory && range.length <= services_.memory_body_bytes_max;
  if (gather && out.add_warm_file(range)) return;
  out.set_file(std::move(range));
  client_ends_ = false;  // it takes its time: what else arrives meanwhile must not reset it
}

void Connection::answer_with_redirect(const std::string& path) {
  const http::Request& request = parser_->request();
  std::string location = http::encode_path(path);
  if (http::decode_target(request.target, services_.target) == 0) {
    location += services_.target.query;
  }
  outgoing().add_copy(http::reply_with_redirect(location, request.method == http::Method::head,
                                                services_.preamble, keep_alive_));
  request_answered();
}

void Connection::answer_with_error(int status) {
  send::Transfer& out = outgoing();
  http::HeadBuffer head(out.free_space(), http::kReplyHeadBytesMax);
  const bool head_only = parser_->request().method == http::Method::head;
  http::reply_with_error(status, head_only, services_.preamble, keep_alive_, head);
  out.commit(head.size());
  request_answered();
}

void Connection::request_answered() {
  ++services_.statistics.requests;
  if (!keep_alive_) close_after_reply_ = true;
  request_timed_ = false;
  parser_->reset();
}

}  // namespace ringserve
