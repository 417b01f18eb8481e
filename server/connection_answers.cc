// What a connection answers: request to file to reply. Everything here only gathers bytes into the
// outgoing transfer; connection.cc sends them.
#include <spdlog/spdlog.h>

#include <array>
#include <cerrno>

#include "server/connection.h"
#include "server/http/accept.h"
#include "server/log/escape.h"
#include "server/operation.h"

namespace ringserve {
namespace {

// Codings that a site may offer: config::Coding has three.
constexpr size_t kOfferedMax = 3;

// The form of a file that the client wants most: the file itself or one of its variants. Null: it
// takes none of them (RFC 9110 section 12.5.3).
const files::FileRef* choose_form(const SiteRules& rules, const files::FileRef& file,
                                  std::string_view accept_encoding) {
  // Without a weight nothing is refused.
  const bool one_form =
      file->variants.empty() && accept_encoding.find(';') == std::string_view::npos;
  if (accept_encoding.empty() || one_form) return &file;
  std::array<std::string_view, kOfferedMax> names;
  std::array<size_t, kOfferedMax> variants{};
  size_t count = 0;
  for (size_t i = 0; i < file->variants.size() && count < kOfferedMax; ++i) {
    if (file->variants[i] == nullptr) continue;
    names[count] = rules.codings[i];
    variants[count++] = i;
  }
  const http::CodingChoice choice = http::choose_coding(accept_encoding, {names.data(), count});
  if (!choice.acceptable) return nullptr;
  if (choice.index == http::CodingChoice::kIdentity) return &file;
  return &file->variants[variants[static_cast<size_t>(choice.index)]];
}

// How much of a whole reply is its body.
uint64_t body_bytes_of(std::string_view reply) {
  constexpr std::string_view kEndOfHead = "\r\n\r\n";
  return reply.size() - reply.find(kEndOfHead) - kEndOfHead.size();
}

files::Lookup::Outcome outcome_of(const listing::Listing& listing) {
  using Outcome = files::Lookup::Outcome;
  if (listing.file != nullptr) return Outcome::file;
  switch (listing.error) {
    case EBUSY:
    case EMFILE:
    case ENFILE:
    case ENOMEM: return Outcome::exhausted;
    case ENOENT: return Outcome::not_found;  // it was removed meanwhile
    default: return Outcome::failed;
  }
}

http::EntityFacts facts_of(const files::File& file) {
  const files::Description& said = file.description;
  http::EntityFacts facts;
  facts.size_bytes = file.size_bytes;
  facts.mtime_s = file.mtime_s;
  facts.has_mtime = file.has_useful_mtime;
  facts.etag = file.etag;
  facts.set_fields(said.text, said.repeated_bytes, said.part_bytes);
  return facts;
}

}  // namespace

// Answers the request in parser_, or sends for the file it needs.
void Connection::answer() {
  const http::Request& request = parser_->request();
  const bool whole = parser_->state() == http::RequestParser::State::complete;
  keep_alive_ = whole && request.keep_alive && !services_.draining && takes_more_requests();
  client_ends_ = whole && request.asks_to_close;
  told_the_end_ = whole && request.version_minor >= 1;
  services_.received_at_us = services_.now_us;
  if (parser_->state() == http::RequestParser::State::failed) {
    return answer_with_error(parser_->error_status(), nullptr);
  }
  const bool too_many = !keeps_request_rate();
  http::Target& target = services_.target;
  if (const int status = http::decode_target(request.target, target, request.method); status != 0) {
    if (status == 400) keep_alive_ = false;  // whoever sends that is not to be trusted with more
    return answer_with_error(status, nullptr);
  }
  ServedSite* site =
      services_.sites->find(target.authority.empty() ? request.host : target.authority);
  if (site == nullptr) {
    keep_alive_ = false;
    return answer_with_error(400, nullptr);
  }
  if (too_many) return answer_with_error(429, site);
  if (request.method == http::Method::options) return answer_with_options(*site);
  if (request.method == http::Method::other) return answer_with_error(405, site);
  const SiteRules& rules = *site->rules;
  if (!rules.redirects.empty()) {
    const auto location = http::location_for(rules.redirects, target.path, target.query);
    if (location) return answer_with_redirect(*site, *location);
  }
  if (target.hidden && !rules.config.hidden) return answer_not_found(*site);
  seek(*site, target.path, Purpose::request);
}

// This is one more; false with the last one of the connection.
bool Connection::takes_more_requests() {
  ++requests_;
  const uint64_t max = services_.limits.requests_per_connection;
  if (max == 0 || requests_ < max) return true;
  services_.statistics.count(Limit::requests_per_connection);
  return false;
}

bool Connection::keeps_request_rate() {
  const clients::RequestRate& rate = services_.limits.request_rate;
  if (!rate.is_on() || !address_ || address_.admits(rate, clients::monotonic_ns())) return true;
  services_.statistics.count(Limit::request_rate);
  return false;
}

void Connection::enter_address(clients::Addresses& addresses) {
  if (address_ || !is_tcp_ || state_ == State::closing) return;
  const auto prefix = clients::Prefix::of_peer(socket_.get());
  if (prefix) address_ = addresses.enter(*prefix, 0, clients::monotonic_ns());
}

// --- to the file ---

void Connection::seek(ServedSite& site, std::string_view path, Purpose purpose, int status) {
  if (const files::FileRef* file = site.files->find_cached(path, services_.now_ms)) {
    services_.statistics.cache_hits.add();
    return answer_with_found(site, *file, purpose, status);
  }
  services_.statistics.cache_misses.add();
  auto search = services_.searches.take();
  search->sites = site.owner->shared_from_this();
  search->site = &site;
  search->purpose = purpose;
  search->status = status;
  search->received_at_us = services_.received_at_us;
  site.files->find(path, services_.now_ms, search->lookup);
  follow(std::move(search));
}

// A search goes on where it can, or has come to its end.
void Connection::follow(std::unique_ptr<Search> search) {
  using Outcome = files::Lookup::Outcome;
  const Outcome outcome = search->lookup.outcome;
  if (outcome == Outcome::wants_open || outcome == Outcome::listing) {
    search_ = std::move(search);
    outcome == Outcome::wants_open ? submit_open() : ask_for_listing();
    return;
  }
  answer_search(*search);
  services_.searches.give_back(std::move(search));
}

// The directory is not in memory: the ring opens the file while others are served.
void Connection::submit_open() {
  io_uring_sqe* sqe = services_.ring.next_entry();
  io_uring_prep_openat2(sqe, search_->site->files->root_fd(), search_->lookup.to_open().c_str(),
                        &search_->lookup.how);
  sqe->flags |= IOSQE_ASYNC;  // the ring's first attempt, here, waits for whom the file system asks
  io_uring_sqe_set_data64(sqe, pack(Operation::open_file, id_));
  ++operations_;
}

void Connection::on_file_opened(const io_uring_cqe& cqe) {
  --operations_;
  if (state_ == State::lingering || state_ == State::closing) {
    search_->site->files->discard(cqe.res);
    return;
  }
  files::Lookup& lookup = search_->lookup;
  search_->site->files->opened(lookup, cqe.res, services_.now_ms);
  if (lookup.outcome == files::Lookup::Outcome::wants_open) return submit_open();
  if (lookup.outcome == files::Lookup::Outcome::listing) return ask_for_listing();
  pump();
}

void Connection::ask_for_listing() {
  const http::Request& request = parser_->request();
  http::Target& target = services_.target;
  CHECK(http::decode_target(request.target, target, request.method) == 0);
  const bool json = target.query == "?format=json" || http::prefers_json(request.accept);
  search_->is_listing = search_->waits_for_listing = true;
  services_.list(id_, *search_, json ? listing::Format::json : listing::Format::html);
}

void Connection::on_listed(listing::Listing listing) {
  if (search_ == nullptr || !search_->waits_for_listing) return;
  search_->waits_for_listing = false;
  files::Lookup& lookup = search_->lookup;
  lookup.error = listing.error;
  lookup.outcome = outcome_of(listing);
  lookup.file = std::move(listing.file);
  pump();
}

void Connection::answer_search(const Search& search) {
  using Outcome = files::Lookup::Outcome;
  ServedSite& site = *search.site;
  const files::Lookup& lookup = search.lookup;
  services_.received_at_us = search.received_at_us;
  if (lookup.outcome == Outcome::file) {
    if (search.is_listing) return answer_with_file(site, lookup.file, true);
    return answer_with_found(site, lookup.file, search.purpose, search.status);
  }
  if (lookup.outcome == Outcome::failed) {
    services_.statistics.disk_errors.add();
    spdlog::error("disk error: {}: open: {}; see dmesg(1)", log::quoted(lookup.open_path),
                  net::errno_name(lookup.error));
  }
  if (search.purpose == Purpose::error_page) return answer_in_text(search.status, &site);
  const bool is_absent =
      lookup.outcome == Outcome::not_found || lookup.outcome == Outcome::directory;
  if (search.purpose == Purpose::fallback && is_absent) return answer_with_error(404, &site);
  switch (lookup.outcome) {
    case Outcome::directory: return answer_with_directory(site, lookup.path + '/');
    case Outcome::not_found: return answer_not_found(site);
    case Outcome::forbidden: return answer_with_error(403, &site);
    case Outcome::exhausted: return answer_with_error(503, &site);
    case Outcome::failed: return answer_with_error(500, &site);
    case Outcome::file:
    case Outcome::listing:
    case Outcome::wants_open: break;
  }
  CHECK(false);
}

// --- to the reply ---

void Connection::answer_with_found(ServedSite& site, const files::FileRef& file, Purpose purpose,
                                   int status) {
  if (purpose == Purpose::error_page) return answer_with_error_page(site, file, status);
  answer_with_file(site, file);
}

void Connection::answer_with_file(ServedSite& site, const files::FileRef& file, bool is_listing) {
  const http::Request& request = parser_->request();
  const SiteRules& rules = *site.rules;
  const files::FileRef* form = choose_form(rules, file, request.accept_encoding);
  if (form == nullptr) return answer_with_error(406, &site);
  const http::EntityFacts facts = facts_of(**form);
  // A listing has none of the site's lines: sites share listings.
  const std::string_view more = is_listing ? std::string_view() : rules.fields;
  std::string_view also = rules.fields_for(request, services_.text);
  if (is_listing) also = services_.text = std::string(also) + rules.listing_fields;
  send::Transfer& out = outgoing();
  const uint64_t begin_bytes = out.queued_bytes();
  http::HeadBuffer head(out.free_space(), http::kReplyHeadBytesMax);
  http::Reply reply =
      http::reply_with_file(request, facts, services_.preamble, keep_alive_, more, also, head);
  out.commit(head.size());
  const uint64_t body_bytes = reply.parts ? reply.parts->length() : reply.body_length;
  request_answered(reply.status, begin_bytes, head.size(), body_bytes);
  if (reply.parts != nullptr) {
    add_parts(*form, reply);
  } else {
    add_body(*form, reply.body_offset, reply.body_length);
  }
}

void Connection::answer_with_error_page(ServedSite& site, const files::FileRef& file, int status) {
  send::Transfer& out = outgoing();
  const uint64_t begin_bytes = out.queued_bytes();
  http::HeadBuffer head(out.free_space(), http::kReplyHeadBytesMax);
  const http::Reply reply = http::reply_with_error_page(status, facts_of(*file), services_.preamble,
                                                        facts_for_error(&site), head);
  out.commit(head.size());
  request_answered(status, begin_bytes, head.size(), reply.body_length);
  add_body(file, reply.body_offset, reply.body_length);
}

void Connection::answer_not_found(ServedSite& site) {
  const std::string& fallback = site.rules->config.fallback;
  if (!fallback.empty()) return seek(site, fallback, Purpose::fallback);
  answer_with_error(404, &site);
}

void Connection::answer_with_options(ServedSite& site) {
  const http::Request& request = parser_->request();
  send::Transfer& out = outgoing();
  const uint64_t begin_bytes = out.queued_bytes();
  http::HeadBuffer head(out.free_space(), http::kReplyHeadBytesMax);
  const bool is_preflight = !request.origin.empty();
  http::reply_with_options(services_.preamble, facts_for_error(&site),
                           is_preflight ? site.rules->preflight_fields : std::string_view(), head);
  out.commit(head.size());
  request_answered(204, begin_bytes, head.size(), 0);
}

void Connection::answer_with_directory(ServedSite& site, const std::string& path) {
  std::string location = http::encode_path(path);
  if (http::decode_target(parser_->request().target, services_.target) == 0) {
    location += services_.target.query;
  }
  answer_with_redirect(site, location);
}

void Connection::answer_with_redirect(ServedSite& site, std::string_view location) {
  send::Transfer& out = outgoing();
  const uint64_t begin_bytes = out.queued_bytes();
  const std::string reply =
      http::reply_with_redirect(location, services_.preamble, facts_for_error(&site));
  out.add_copy(reply);
  const uint64_t body_bytes = body_bytes_of(reply);
  request_answered(301, begin_bytes, reply.size() - body_bytes, body_bytes);
}

// `site` is null where the request did not come so far as to have one.
void Connection::answer_with_error(int status, ServedSite* site) {
  const std::string* page = site == nullptr ? nullptr : site->rules->error_page(status);
  if (page != nullptr) return seek(*site, *page, Purpose::error_page, status);
  answer_in_text(status, site);
}

void Connection::answer_in_text(int status, ServedSite* site) {
  send::Transfer& out = outgoing();
  const uint64_t begin_bytes = out.queued_bytes();
  http::HeadBuffer head(out.free_space(), http::kReplyHeadBytesMax);
  http::reply_with_error(status, services_.preamble, facts_for_error(site), head);
  const uint64_t body_bytes = body_bytes_of({out.free_space(), head.size()});
  out.commit(head.size());
  request_answered(status, begin_bytes, head.size() - body_bytes, body_bytes);
}

// Valid until services_.text is used again.
http::ErrorFacts Connection::facts_for_error(const ServedSite* site) const {
  http::ErrorFacts facts;
  facts.head_only = parser_->request().method == http::Method::head;
  facts.keep_alive = keep_alive_;
  if (site == nullptr) return facts;
  facts.more = site->rules->other_fields;
  const std::string_view also = site->rules->fields_for(parser_->request(), services_.text);
  if (!also.empty()) facts.more = services_.text += site->rules->other_fields;
  return facts;
}

// The head is in the transfer, from its byte `begin_bytes` on. Ends the request: what it said is
// gone after this.
void Connection::request_answered(int status, uint64_t begin_bytes, uint64_t head_bytes,
                                  uint64_t body_bytes) {
  services_.statistics.requests.add();
  services_.statistics.count_status(status);
  if (services_.log.is_on()) {
    if (remote_ == nullptr) note_remote();
    if (log_ == nullptr) log_ = services_.log.take();
    // 0: it was received before there was a log.
    const int64_t received_at_us =
        services_.received_at_us == 0 ? services_.now_us : services_.received_at_us;
    log_->add(parser_->request(), status, received_at_us, {begin_bytes, head_bytes, body_bytes});
  }
  if (!keep_alive_) close_after_reply_ = true;
  request_timed_ = idle_timed_ = false;
  parser_->reset();
}

}  // namespace ringserve
