// kernel_notes_labs NAME: runs one lab in a private network, prints it, and says by its exit status
// whether everything came as expected: 0 if so, 1 if not, 2 for a command line that makes no sense,
// 77 where the machine forbids private networks.
#include <cstring>
#include <exception>

#include "common/net/private_network.h"
#include "kernel-notes/labs/labs.h"

namespace notes::labs {
namespace {

constexpr int kMisuse = 2;
constexpr int kCannotRun = 77;  // of automake, ctest and others: skipped

struct Lab {
  const char* name;
  const char* title;
  const char* teaches;
  const char* note;  // the one it belongs to, in kernel-notes/
  void (*run)(Conversation&, const Arguments&);
  const char* arguments = "";
  const char* arguments_help = "";
};

constexpr Lab kLabs[] = {
    {"close-against-shutdown", "Two questions, then close() or shutdown()",
     "close() gives up both directions: answers still to come are lost, and the server's second "
     "one "
     "kills it by SIGPIPE. shutdown(SHUT_WR) ends only the asking.",
     "05-close-and-shutdown", close_against_shutdown},
    {"slow-reader", "A slow reader, and a send() that fills the buffers",
     "That send() returns means: copied into the send buffer. Not sent, not received, not read.",
     "02-partial-io", slow_reader},
    {"restart-in-time-wait", "A server that is stopped and started again at once",
     "Who closes first holds the port in TIME_WAIT. SO_REUSEADDR, set before bind(), lets a "
     "restarted "
     "server have it; it never lets two listeners share one.",
     "08-address-reuse", restart_in_time_wait},
    {"writev-hello", "A prefix and a line: one writev(), or two write()s",
     "Two small write()s meet Nagle's algorithm and the delayed ACK, and the second waits some 40 "
     "ms. "
     "writev() sends both at once.",
     "09-small-segments", writev_hello, "[LINE]...", "the lines to send, instead of \"world\""},
    {"numbered-echo", "A server that numbers its clients, and echoes",
     "A connection is four numbers and two counters; an idle one is an event, not an end; the end "
     "is "
     "a recv() that returns 0.",
     "01-sockets-and-addresses", numbered_echo},
    {"udp-request-reply", "UDP questions, with and without a server",
     "An unconnected UDP client never hears that nobody is there; and no client hears that a "
     "server "
     "was started again.",
     "15-udp", udp_request_reply},
    {"connected-udp", "connect() on a UDP socket, at either end",
     "connect() sends nothing. It names the one peer that the socket hears, and lets ICMP errors "
     "through: ECONNREFUSED from the next call.",
     "15-udp", connected_udp},
    {"udp-chat", "Three people, a UDP chat, and the relay between them",
     "Without connections the server itself remembers who is there, by address and port.", "15-udp",
     udp_chat},
    {"unix-sockets", "A stream pair and a datagram pair on paths",
     "The path is a file of size 0 with permissions, and outlives its server. A datagram client "
     "that "
     "has not bound a path cannot be answered.",
     "16-unix-sockets", unix_sockets},
    {"liveness", "A peer that is stuck, one that is gone: who notices",
     "Keep-alive asks the peer's kernel, and by default after two hours. A PING asks the program, "
     "as "
     "often as you like.",
     "12-is-the-peer-alive", liveness},
    {"time-wait-outage", "Requests that fail every minute, and six ways out",
     "One connection a request, closed by the client, needs a port for 60 s each. When the ports "
     "are "
     "used up requests fail, until the first of them come back.",
     "06-time-wait", time_wait_outage, "[--full]",
     "with TIME_WAIT's real 60 s, which takes two and a half minutes"},
};

void print_usage(std::FILE* out) {
  fmt::print(out, "usage: kernel-notes/labs/NAME [--help] [ARGUMENT]...\n\nlabs:\n");
  for (const Lab& lab : kLabs) fmt::print(out, "  {:<24}{}\n", lab.name, lab.title);
}

void print_help(const Lab& lab) {
  fmt::print("usage: kernel-notes/labs/{}{}{}\n\n", lab.name, *lab.arguments ? " " : "",
             lab.arguments);
  for (const std::string& line : wrap(lab.teaches, 80)) fmt::print("{}\n", line);
  if (*lab.arguments) fmt::print("\n  {}  {}\n", lab.arguments, lab.arguments_help);
  fmt::print("\nThe note: kernel-notes/{}.md\n", lab.note);
}

int misuse(const std::string& message) {
  fmt::print(stderr, "{}\n\n", message);
  print_usage(stderr);
  return kMisuse;
}

const Lab* find_lab(const char* name) {
  for (const Lab& lab : kLabs) {
    if (std::strcmp(lab.name, name) == 0) return &lab;
  }
  return nullptr;
}

int run_lab(const Lab& lab, const Arguments& arguments) {
  // Root gives its rights up too. Where that is not allowed, as under ThreadSanitizer with its
  // thread, enter_private_network() does what can be done, or says what forbids it.
  (void)net::enter_private_user();
  if (const net::Status status = net::enter_private_network(); !status) {
    fmt::print(stderr, "The lab cannot be run here: {}\n", status.error().message());
    return kCannotRun;
  }
  catch_sigpipe();
  Conversation conversation(stdout);
  conversation.title(lab.title);
  lab.run(conversation, arguments);
  return conversation.judge() ? 0 : 1;
}

int main_of(int argc, char** argv) {
  if (argc < 2) return misuse("which lab?");
  if (std::strcmp(argv[1], "--help") == 0 || std::strcmp(argv[1], "-h") == 0) {
    print_usage(stdout);
    return 0;
  }
  const Lab* lab = find_lab(argv[1]);
  if (lab == nullptr) return misuse(fmt::format("there is no lab {}", quoted(argv[1])));
  Arguments arguments;
  for (int i = 2; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--help" || word == "-h") {
      print_help(*lab);
      return 0;
    }
    const bool takes_full = std::strcmp(lab->arguments, "[--full]") == 0;
    const bool takes_words = *lab->arguments != '\0' && !takes_full;
    if (takes_full && word == "--full") {
      arguments.full = true;
    } else if (takes_words && word[0] != '-') {
      arguments.words.push_back(word);
    } else {
      return misuse(fmt::format("{} does not take {}", lab->name, quoted(word)));
    }
  }
  return run_lab(*lab, arguments);
}

}  // namespace
}  // namespace notes::labs

int main(int argc, char** argv) {
  try {
    return notes::labs::main_of(argc, argv);
  } catch (const std::exception& broken) {
    fmt::print(stderr, "\nThe lab broke off: {}\n", broken.what());
    return 1;
  }
}
