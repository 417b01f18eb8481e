// Plain words for the errors that users of load generators ask about again and again. Meanings:
// connect(2), recv(2), send(2), tcp(7).
#include <array>

#include "client/load/report/sections.h"

namespace ringload {
namespace {

struct Advice {
  std::string_view phase;  // empty: any
  std::string_view error_name;
  std::string_view text;
};

constexpr std::array kAdvice{
    Advice{"connect", "ECONNREFUSED", "nobody listens there: is the server up?"},
    Advice{"connect", "EADDRNOTAVAIL", "no ephemeral port left: see below"},
    Advice{"bind", "EADDRNOTAVAIL", "the --source address has left this host"},
    Advice{"connect", "EADDRINUSE", "the source port is taken: --source without its own port"},
    Advice{"connect", "ETIMEDOUT", "SYNs are dropped: full accept queue or firewall"},
    Advice{"connect", "EHOSTUNREACH", "no route to the host, or it is down"},
    Advice{"connect", "ENETUNREACH", "no route to the network"},
    Advice{"connect", "ENOENT", "there is no such Unix socket"},
    Advice{"connect", "EACCES", "no permission: the Unix socket's mode, or a firewall"},
    Advice{"connect", "EPERM", "a firewall rule of this machine forbids it"},
    Advice{"connect", "EAGAIN", "Unix socket: the server's backlog is full"},
    Advice{"connect", "ECONNRESET", "reset while connecting: accept queue full?"},
    Advice{"", "ECONNRESET", "the server cut the connection: crash or limit?"},
    Advice{"", "EPIPE", "the server had closed already"},
    Advice{"", "EMFILE", "out of descriptors: raise ulimit -n"},
    Advice{"", "ENFILE", "the system is out of descriptors: fs.file-max"},
    Advice{"", "ENOBUFS", "the kernel is out of buffers: fewer connections"},
    Advice{"", "ENOMEM", "out of memory: fewer connections"},
    Advice{"recv", "EOF", "the server closed instead of answering"},
    Advice{"body", "SHORT", "the server closed in the middle of the body"},
    Advice{"body", "MISMATCH", "not the bytes of the file"},
    Advice{"body", "UNVERIFIABLE", "encoded or in parts: leave out the header that asks so"},
    Advice{"parse", "HEAD_TOO_LARGE", "a head of more than 64 KiB"},
    Advice{"parse", "UNEXPECTED_BYTES", "more bytes than the answer's length says"},
    Advice{"parse", "UPGRADE", "101: the server speaks another protocol now"},
    Advice{"timeout", "connect", "no answer to SYN: accept queue full, or a firewall"},
    Advice{"timeout", "response", "not answered to its end within --timeout"},
    Advice{"close", "TIMEOUT", "the server was to close, and did not"},
};

}  // namespace

std::string_view advice_for(std::string_view phase, std::string_view error_name) {
  for (const Advice& advice : kAdvice) {
    if (advice.error_name == error_name && (advice.phase.empty() || advice.phase == phase)) {
      return advice.text;
    }
  }
  if (phase == "parse") return "what came is not HTTP/1.1";
  if (phase == "status") return "the server answered, but not well";
  if (phase == "body") return "not the bytes that were expected";
  return {};
}

}  // namespace ringload
