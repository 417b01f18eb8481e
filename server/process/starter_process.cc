// One request at a time: receive descriptors, fork, arrange them from 3 on, exec. It holds nothing
// else open, so that no listener lives on in it.
#include "server/process/starter_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "common/net/owned_fd.h"
#include "server/process/inherited.h"

extern char** environ;

namespace ringserve::process {
namespace {

constexpr size_t kHeadBytesMax = 128 * 1024;
constexpr std::array kSignals{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGPIPE, SIGCHLD};

// The server ends by these, and then this process by the end of its channel: a signal for the whole
// process group must not take a start under way with it. SIGCHLD ignored: successors leave no
// zombie.
std::array<struct sigaction, kSignals.size()> ignore_signals() {
  std::array<struct sigaction, kSignals.size()> before{};
  struct sigaction ignored {};
  ignored.sa_handler = SIG_IGN;
  for (size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &ignored, &before[i]);
  return before;
}

struct Request {
  std::vector<net::OwnedFd> descriptors;  // the last: readiness
  std::string names;
};

// False: the server has ended.
bool receive_descriptors(int channel, size_t count, Request& request) {
  while (request.descriptors.size() < count) {
    char byte = 0;
    iovec piece{&byte, 1};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kDescriptorsPerMessage)> control{};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t received = ::recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
    if (received < 0 && errno == EINTR) continue;
    if (received <= 0) return false;
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header == nullptr || header->cmsg_type != SCM_RIGHTS) return false;
    const size_t got = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < got; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
      request.descriptors.emplace_back(fd);
    }
    // Fewer than sent: RLIMIT_NOFILE. The rest of the request would be taken for another one.
    if ((message.msg_flags & MSG_CTRUNC) != 0) return false;
  }
  return true;
}

bool receive_request(int channel, Request& request) {
  std::vector<char> head(kHeadBytesMax);
  ssize_t got = -1;
  do {
    got = ::recv(channel, head.data(), head.size(), 0);
  } while (got < 0 && errno == EINTR);
  if (got <= 0) return false;
  size_t count = 0;
  const char* end = head.data() + got;
  const auto number = std::from_chars(head.data(), end, count);
  if (number.ec != std::errc() || number.ptr == end) return false;
  request.names.assign(number.ptr + 1, end);
  return receive_descriptors(channel, count, request);
}

class Environment {
 public:
  explicit Environment(const Request& request) {
    constexpr std::string_view kOurs[] = {
        "LISTEN_PID=", "LISTEN_FDS=", "LISTEN_FDNAMES=", "WATCHDOG_PID="};
    for (char** each = environ; *each != nullptr; ++each) {
      const std::string_view text(*each);
      const bool ours =
          std::ranges::any_of(kOurs, [&](std::string_view name) { return text.starts_with(name); });
      if (!ours && !text.starts_with(kReadinessVariable)) texts_.emplace_back(text);
    }
    const size_t sockets = request.descriptors.size() - 1;
    texts_.push_back(fmt::format("LISTEN_FDS={}", sockets));
    texts_.push_back("LISTEN_FDNAMES=" + request.names);
    texts_.push_back(
        fmt::format("{}={}", kReadinessVariable, static_cast<size_t>(kFirstInherited) + sockets));
  }
  // Of the process that is about to exec.
  char** finish() {
    texts_.push_back(fmt::format("LISTEN_PID={}", ::getpid()));
    for (std::string& text : texts_) pointers_.push_back(text.data());
    pointers_.push_back(nullptr);
    return pointers_.data();
  }

 private:
  std::vector<std::string> texts_;
  std::vector<char*> pointers_;
};

// dup2(2) over a descriptor that is still needed would lose it: all go above their places first.
const char* put_into_place(const std::vector<net::OwnedFd>& descriptors) {
  const int above = kFirstInherited + static_cast<int>(descriptors.size());
  std::vector<int> copies;
  for (const net::OwnedFd& descriptor : descriptors) {
    copies.push_back(::fcntl(descriptor.get(), F_DUPFD_CLOEXEC, above));
    if (copies.back() < 0) return "duplicate descriptors for";
  }
  for (size_t i = 0; i < copies.size(); ++i) {
    if (::dup2(copies[i], kFirstInherited + static_cast<int>(i)) < 0) return "dup2 for";
  }
  return nullptr;
}

void set_reply(StarterReply& reply, const char* what, int error) {
  reply.error = error;
  fmt::format_to_n(reply.what, sizeof reply.what - 1, "{}", what);
}

}  // namespace

void run_starter(int channel, const char* program, char** arguments) {
  const auto signals = ignore_signals();
  ::prctl(PR_SET_NAME, "ringserve-start");
  // Sockets of a service manager must not live on here after the server has closed them.
  if (channel != kFirstInherited) channel = ::dup2(channel, kFirstInherited);
  ::close_range(kFirstInherited + 1, ~0U, 0);
  ::fcntl(channel, F_SETFD, FD_CLOEXEC);
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);  // receive_descriptors() sees it where this is too little
  }
  for (Request request; receive_request(channel, request); request = {}) {
    StarterReply reply{};
    int report[2];
    if (::pipe2(report, O_CLOEXEC) < 0) {
      set_reply(reply, "pipe2 for", errno);
      if (::send(channel, &reply, sizeof reply, MSG_NOSIGNAL) < 0) break;
      continue;
    }
    net::OwnedFd of_child(report[0]), to_parent(report[1]);
    reply.pid = ::fork();
    if (reply.pid == 0) {
      // Above the places of the sockets, or they would be put over it.
      const int places = kFirstInherited + static_cast<int>(request.descriptors.size());
      const int failure = ::fcntl(to_parent.get(), F_DUPFD_CLOEXEC, places);
      Environment environment(request);
      const char* what = put_into_place(request.descriptors);
      for (size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &signals[i], nullptr);
      if (what == nullptr) {
        ::execve(program, arguments, environment.finish());
        what = "execute";
      }
      set_reply(reply, what, errno);
      (void)!::write(failure, &reply, sizeof reply);
      ::_exit(127);
    }
    if (reply.pid < 0) set_reply(reply, "fork for", errno);
    to_parent.reset();
    StarterReply failure{};
    if (::read(of_child.get(), &failure, sizeof failure) == sizeof failure) reply = failure;
    if (::send(channel, &reply, sizeof reply, MSG_NOSIGNAL) < 0) break;
  }
  ::_exit(0);
}

}  // namespace ringserve::process
