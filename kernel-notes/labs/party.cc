// Each call as it is made, then its row. Waiting is done before the call, so that the row tells of
// the call alone, and a lab that is broken ends.
#include "kernel-notes/labs/party.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <stdexcept>
#include <thread>

#include "common/net/private_network.h"

namespace notes::labs {
namespace {

constexpr size_t kQuotedMax = 40;

volatile std::sig_atomic_t sigpipe_seen = 0;

void note_sigpipe(int) { sigpipe_seen = 1; }

Outcome outcome_of(ssize_t returned) {
  return {.value = returned, .error = returned < 0 ? errno : 0};
}

bool has_ended(const OwnedFd& socket) {
  return net::verbs::has_event(socket, POLLRDHUP | POLLHUP | POLLERR, Milliseconds(0));
}

void await_bytes(const OwnedFd& socket, size_t wanted) {
  net::verbs::await_event(socket, POLLIN);
  if (wanted <= 1) return;
  net::verbs::await("bytes", [&] {
    int queued = 0;
    return ::ioctl(socket.get(), SIOCINQ, &queued) != 0 || static_cast<size_t>(queued) >= wanted ||
           has_ended(socket);
  });
}

// As one word: a call is broken after its arguments rather than within them.
std::string unbroken(std::string text) {
  std::ranges::replace(text, ' ', kNoBreak);
  return text;
}

std::string word(std::string_view bytes) { return unbroken(quoted(bytes)); }

}  // namespace

void catch_sigpipe() { std::signal(SIGPIPE, note_sigpipe); }

std::string quoted(std::string_view bytes) {
  std::string text = "\"";
  for (const char c : bytes.substr(0, kQuotedMax)) {
    if (c == '\n') {
      text += "\\n";
    } else if (c == '\r') {
      text += "\\r";
    } else if (c == '"' || c == '\\') {
      (text += '\\') += c;
    } else if (c < ' ' || c == '\x7f') {
      text += '?';  // a terminal would act on it
    } else {
      text += c;
    }
  }
  text += '"';
  return bytes.size() > kQuotedMax ? text + "..." : text;
}

std::string brief(const Address& address) {
  if (address.is_unix()) {
    const std::string path = address.unix_path();
    return path.empty() ? "no address" : path.substr(path.rfind('/') + 1);
  }
  if (address.host_text() == "127.0.0.1") return fmt::format(":{}", address.port());
  return address.text();
}

void enter_fresh_network() {
  const net::Status status = net::enter_private_network();
  if (!status) throw std::runtime_error(status.error().message());
}

void Party::say(const std::string& text, Tone tone) {
  conversation_.row(column_, name_.empty() ? text : name_ + ": " + text, tone);
}

int Party::report(const std::string& call, int error) {
  const std::string returned = error == 0 ? "0" : "-1 " + net::errno_name(error);
  say(call + " " + unbroken("= " + returned), error == 0 ? Tone::plain : Tone::error);
  return error;
}

Outcome Party::report(const std::string& call, Outcome outcome, const std::string& more) {
  if (outcome.succeeded()) {
    say(call + " " + unbroken(fmt::format("= {}", outcome.value)) + more, Tone::plain);
  } else {
    say(call + " " + unbroken("= -1 " + net::errno_name(outcome.error)) +
            (outcome.sigpipe ? ", and SIGPIPE" : "") + more,
        Tone::error);
  }
  return outcome;
}

void Party::pause(Milliseconds time) {
  say(fmt::format("... works for {} ms ...", time.count()), Tone::aside);
  std::this_thread::sleep_for(time);
}

int Party::bind(const OwnedFd& socket, const Address& address) {
  const int error = net::verbs::try_bind(socket, address);
  return report(fmt::format("bind({})", address.is_unix() ? brief(address) : address.text()),
                error);
}

int Party::listen(const OwnedFd& socket, int backlog) {
  const int error = net::verbs::try_listen(socket, backlog);
  return report("listen()", error);
}

int Party::connect(const OwnedFd& socket, const Address& address) {
  const int error = net::verbs::try_connect(socket, address);
  return report(fmt::format("connect({})", brief(address)), error);
}

int Party::disconnect(const OwnedFd& socket) {
  sockaddr nobody{};
  nobody.sa_family = AF_UNSPEC;
  const int error = ::connect(socket.get(), &nobody, sizeof nobody) == 0 ? 0 : errno;
  return report("connect(AF_UNSPEC)", error);
}

OwnedFd Party::accept(const OwnedFd& listener) {
  net::verbs::await_event(listener, POLLIN);
  OwnedFd accepted = net::verbs::accept_from(listener);
  const Address peer = net::verbs::remote_of(accepted);
  say(peer.is_unix() ? "accept() = a connection"
                     : fmt::format("accept() = one from {}", brief(peer)),
      Tone::plain);
  return accepted;
}

void Party::set(const OwnedFd& socket, const char* name, int level, int option, int value) {
  net::verbs::set_option(socket, level, option, value);
  report(fmt::format("setsockopt({}, {})", name, value), 0);
}

Outcome Party::send(const OwnedFd& socket, std::string_view bytes) {
  sigpipe_seen = 0;
  Outcome outcome = outcome_of(::send(socket.get(), bytes.data(), bytes.size(), 0));
  outcome.sigpipe = sigpipe_seen != 0;
  return report(fmt::format("send({})", word(bytes)), outcome);
}

Outcome Party::write_parts(const OwnedFd& socket, const std::vector<std::string>& parts) {
  std::vector<iovec> vectors;
  std::string all;
  for (const std::string& part : parts) {
    vectors.push_back({const_cast<char*>(part.data()), part.size()});
    all += (all.empty() ? "" : ", ") + word(part);
  }
  const auto count = static_cast<int>(vectors.size());
  return report(fmt::format("writev({})", all),
                outcome_of(::writev(socket.get(), vectors.data(), count)));
}

Outcome Party::receive(const OwnedFd& socket, size_t at_least, size_t bytes_max) {
  await_bytes(socket, at_least);
  std::string bytes(bytes_max, '\0');
  Outcome outcome = outcome_of(::recv(socket.get(), bytes.data(), bytes.size(), 0));
  if (outcome.succeeded()) outcome.bytes = bytes.substr(0, static_cast<size_t>(outcome.value));
  if (!outcome.succeeded()) return report("recv()", outcome);
  return report("recv()", outcome, outcome.value > 0 ? " " + word(outcome.bytes) : ": the end");
}

Outcome Party::receive_within(const OwnedFd& socket, Milliseconds time) {
  net::verbs::set_receive_timeout(socket, time);
  std::string bytes(1024, '\0');
  Outcome outcome = outcome_of(::recv(socket.get(), bytes.data(), bytes.size(), 0));
  net::verbs::set_receive_timeout(socket, Milliseconds(0));
  if (outcome.succeeded()) outcome.bytes = bytes.substr(0, static_cast<size_t>(outcome.value));
  return report(
      "recv()", outcome,
      outcome.succeeded() ? " " + word(outcome.bytes) : fmt::format(" after {} ms", time.count()));
}

Outcome Party::send_to(const OwnedFd& socket, const Address& address, std::string_view bytes) {
  const bool is_named = !address.is_unix() || !address.unix_path().empty();
  const Outcome outcome =
      outcome_of(::sendto(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL,
                          is_named ? address.data() : nullptr, is_named ? address.size() : 0));
  return report(fmt::format("sendto({}, {})", brief(address), word(bytes)), outcome);
}

Outcome Party::receive_from(const OwnedFd& socket) {
  net::verbs::await_event(socket, POLLIN);
  std::string bytes(65536, '\0');
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  Outcome outcome =
      outcome_of(::recvfrom(socket.get(), bytes.data(), bytes.size(), 0, address, &size));
  if (!outcome.succeeded()) return report("recvfrom()", outcome);
  outcome.bytes = bytes.substr(0, static_cast<size_t>(outcome.value));
  if (size == 0) size = sizeof storage.ss_family;  // of a Unix socket without a path
  if (storage.ss_family == AF_UNSPEC) storage.ss_family = AF_UNIX;
  outcome.sender = Address::of_sockaddr(address, size);
  return report("recvfrom()", outcome,
                fmt::format(" {} from {}", word(outcome.bytes), brief(*outcome.sender)));
}

void Party::shutdown_write(const OwnedFd& socket) {
  net::verbs::send_fin(socket);
  report("shutdown(SHUT_WR)", 0);
}

void Party::close(OwnedFd& socket) {
  socket.reset();
  report("close()", 0);
}

int Party::unlink(const std::string& path) {
  const int error = ::unlink(path.c_str()) == 0 ? 0 : errno;
  return report(fmt::format("unlink({})", path.substr(path.rfind('/') + 1)), error);
}

Wire::Wire(Conversation& conversation, size_t column, uint16_t server_port)
    : conversation_(conversation), column_(column), server_port_(server_port) {}

std::vector<net::Segment> Wire::telling() {
  std::vector<net::Segment> some;
  for (net::Segment& segment : capture_.segments()) {
    if (segment.from.port != server_port_ && segment.to.port != server_port_) continue;
    const bool tells = segment.syn || segment.fin || segment.rst || !segment.data.empty();
    const auto is_again = [&](const net::Segment& earlier) {
      return earlier.from == segment.from && earlier.seq == segment.seq &&
             earlier.rst == segment.rst && earlier.data.size() == segment.data.size() &&
             earlier.fin == segment.fin;
    };
    if (tells && std::ranges::none_of(some, is_again)) some.push_back(std::move(segment));
  }
  return some;
}

std::vector<net::Segment> Wire::show(size_t count) {
  net::verbs::await("segments", [&] { return telling().size() >= shown_ + count; });
  std::vector<net::Segment> segments = telling();
  segments.resize(shown_ + count);
  segments.erase(segments.begin(), segments.begin() + static_cast<ptrdiff_t>(shown_));
  shown_ += count;
  for (const net::Segment& segment : segments) {
    std::string text = segment.data.empty() ? "" : fmt::format("{} bytes", segment.data.size());
    const auto add = [&](bool is_set, const char* flag) {
      if (is_set) text += text.empty() ? flag : fmt::format(", {}", flag);
    };
    add(segment.syn, segment.ack ? "SYN,ACK" : "SYN");
    add(segment.fin, "FIN");
    add(segment.rst, "RST");
    const bool to_server = segment.to.port == server_port_;
    conversation_.row(column_, to_server ? fmt::format("{} -->", text) : "<-- " + text,
                      segment.rst ? Tone::error : Tone::plain);
  }
  return segments;
}

}  // namespace notes::labs
