// One side of a conversation: it does a system call and prints it in its column, with what it
// returned, as strace(1) would. Failures are results here, not exceptions: they are what the labs
// are about. Nothing waits longer than net::verbs::kPatience.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/net/capture.h"
#include "common/net/verbs.h"
#include "kernel-notes/labs/conversation.h"

namespace notes::labs {

using net::Address;
using net::OwnedFd;
using Milliseconds = std::chrono::milliseconds;

struct Outcome {
  ssize_t value = 0;  // what the call returned
  int error = 0;      // errno, where that was -1
  bool sigpipe = false;
  std::string bytes{};              // of receive() and receive_from()
  std::optional<Address> sender{};  // of receive_from()

  bool succeeded() const { return value >= 0; }
};

class Party {
 public:
  // With a name, where several share a column: each row begins with it.
  Party(Conversation& conversation, size_t column, std::string name = {})
      : conversation_(conversation), column_(column), name_(std::move(name)) {}

  // What is no system call.
  template <typename... Values>
  void note(fmt::format_string<Values...> format, Values&&... values) {
    say(fmt::format(format, std::forward<Values>(values)...), Tone::plain);
  }
  void pause(Milliseconds time);

  int bind(const OwnedFd& socket, const Address& address);
  int listen(const OwnedFd& socket, int backlog = 128);
  int connect(const OwnedFd& socket, const Address& address);
  int disconnect(const OwnedFd& socket);  // connect(2) with AF_UNSPEC
  OwnedFd accept(const OwnedFd& listener);
  // `name` as it is written: set(socket, "SO_REUSEADDR", SOL_SOCKET, SO_REUSEADDR, 1).
  void set(const OwnedFd& socket, const char* name, int level, int option, int value);

  Outcome send(const OwnedFd& socket, std::string_view bytes);
  Outcome write_parts(const OwnedFd& socket, const std::vector<std::string>& parts);  // writev(2)
  // Waits until `at_least` bytes are there, or the end, or an error.
  Outcome receive(const OwnedFd& socket, size_t at_least = 1, size_t bytes_max = 65536);
  // For that time only (SO_RCVTIMEO).
  Outcome receive_within(const OwnedFd& socket, Milliseconds time);

  Outcome send_to(const OwnedFd& socket, const Address& address, std::string_view bytes);
  Outcome receive_from(const OwnedFd& socket);

  void shutdown_write(const OwnedFd& socket);
  void close(OwnedFd& socket);
  int unlink(const std::string& path);

 private:
  void say(const std::string& text, Tone tone);
  int report(const std::string& call, int error);
  Outcome report(const std::string& call, Outcome outcome, const std::string& more = {});

  Conversation& conversation_;
  size_t column_;
  std::string name_;
};

// The segments that pass `lo` from or to a port, in a column of their own; those that carry nothing
// but an acknowledgement are left out, and so are those that a busy machine makes TCP send again.
class Wire {
 public:
  Wire(Conversation& conversation, size_t column, uint16_t server_port);
  // Waits for that many more, and prints them.
  std::vector<net::Segment> show(size_t count);

 private:
  std::vector<net::Segment> telling();

  Conversation& conversation_;
  size_t column_;
  uint16_t server_port_;
  net::Capture capture_;
  size_t shown_ = 0;
};

// SIGPIPE is noted instead of ending the program.
void catch_sigpipe();
// "hello\n" with its quotes; long texts are cut.
std::string quoted(std::string_view bytes);
// ":8080" of 127.0.0.1, the file's name of a Unix socket, "no address" of one without.
std::string brief(const Address& address);
// Another network, empty and new, with ports and TIME_WAIT of its own.
void enter_fresh_network();

}  // namespace notes::labs
