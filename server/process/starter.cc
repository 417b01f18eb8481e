// The server's side of the channel, and what goes through the pipe of readiness. The other side is
// starter_process.cc.
#include "server/process/starter.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "server/process/starter_process.h"

namespace ringserve::process {
namespace {

constexpr char kReady = '+';
constexpr char kNotReady = '-';
constexpr const char* kWhat = "start a successor";

net::Result<std::string> path_of_this_program() {
  std::array<char, PATH_MAX> path;
  const ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size());
  if (length < 0) return net::fail("readlink /proc/self/exe", errno, "is /proc mounted?");
  return std::string(path.data(), static_cast<size_t>(length));
}

net::Status send_descriptors(int channel, const int* fds, size_t count) {
  char byte = 0;
  iovec piece{&byte, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kDescriptorsPerMessage)> control{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int) * count);
  std::memcpy(CMSG_DATA(header), fds, sizeof(int) * count);
  if (::sendmsg(channel, &message, MSG_NOSIGNAL) < 0) return net::fail(kWhat, errno);
  return {};
}

}  // namespace

net::Result<std::unique_ptr<Starter>> Starter::fork_off(char** arguments) {
  auto program = path_of_this_program();
  if (!program) return tl::unexpected(program.error());
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
    return net::fail("socketpair", errno);
  }
  net::OwnedFd ours(ends[0]), theirs(ends[1]);
  const timeval patience{kExecPatience_s, 0};
  if (::setsockopt(ours.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0) {
    return net::fail("setsockopt SO_RCVTIMEO", errno);
  }
  const pid_t pid = ::fork();
  if (pid < 0) {
    return net::fail("fork the process that starts successors", errno,
                     "raise RLIMIT_NPROC (ulimit -u)");
  }
  if (pid == 0) {
    ours.reset();
    run_starter(theirs.get(), program->c_str(), arguments);  // does not return
  }
  return std::unique_ptr<Starter>(new Starter(std::move(ours), std::move(*program)));
}

net::Result<Starter::Started> Starter::start(const std::vector<HandedSocket>& sockets) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) return net::fail("pipe2", errno);
  net::OwnedFd readiness(ends[0]), to_say(ends[1]);
  std::vector<int> fds;
  std::string names;
  for (const HandedSocket& socket : sockets) {
    names += (fds.empty() ? "" : ":") + socket.name;
    fds.push_back(socket.fd);
  }
  fds.push_back(to_say.get());
  const std::string head = fmt::format("{}\n{}", fds.size(), names);
  // An answer that came too late for an earlier request is not the one to this.
  for (StarterReply late{}; ::recv(channel_.get(), &late, sizeof late, MSG_DONTWAIT) > 0;) {
  }
  if (::send(channel_.get(), head.data(), head.size(), MSG_NOSIGNAL) < 0) {
    return net::fail(kWhat, errno,
                     "the process that starts successors is gone: restart the server");
  }
  for (size_t at = 0; at < fds.size(); at += kDescriptorsPerMessage) {
    const size_t count = std::min(kDescriptorsPerMessage, fds.size() - at);
    if (auto status = send_descriptors(channel_.get(), &fds[at], count); !status) {
      return tl::unexpected(status.error());
    }
  }
  StarterReply reply{};
  ssize_t received = -1;
  do {
    received = ::recv(channel_.get(), &reply, sizeof reply, 0);
  } while (received < 0 && errno == EINTR);
  if (received != sizeof reply) {
    return net::fail(kWhat, received < 0 ? errno : 0,
                     "the process that starts successors does not answer: restart the server");
  }
  if (reply.error != 0) {
    return net::fail(fmt::format("{} {}", reply.what, program_), reply.error,
                     "is it a whole program that this user may execute?");
  }
  return Started{reply.pid, std::move(readiness)};
}

Predecessor Predecessor::from_environment() {
  Predecessor predecessor;
  const char* text = ::getenv(kReadinessVariable);
  if (text == nullptr) return predecessor;
  int fd = -1;
  std::from_chars(text, text + std::strlen(text), fd);
  ::unsetenv(kReadinessVariable);
  // Whoever else sets the variable must not have us write into a descriptor that is not there.
  struct stat facts {};
  if (fd <= STDERR_FILENO || ::fstat(fd, &facts) < 0 || !S_ISFIFO(facts.st_mode)) {
    return predecessor;
  }
  if (::fcntl(fd, F_SETFD, FD_CLOEXEC) == 0) predecessor.readiness_.reset(fd);
  return predecessor;
}

net::Status Predecessor::say_ready() {
  if (!is_there()) return {};
  const ssize_t written = ::write(readiness_.get(), &kReady, 1);
  const int error = errno;
  readiness_.reset();
  if (written == 1) return {};
  return net::fail("tell the predecessor that this server is ready", error,
                   "it has given up waiting, and serves on or has ended");
}

void Predecessor::say_why_not(const std::string& reason) {
  if (!is_there()) return;
  const std::string text = kNotReady + reason;
  // A predecessor that is gone has nobody to tell.
  (void)!::write(readiness_.get(), text.data(), std::min<size_t>(text.size(), PIPE_BUF));
  readiness_.reset();
}

Readiness read_readiness(const net::OwnedFd& readiness) {
  std::array<char, PIPE_BUF> text;
  const ssize_t got = ::read(readiness.get(), text.data(), text.size());
  if (got <= 0) return {false, "it ended before it was ready; what it said is in its error log"};
  if (text[0] == kReady) return {true, {}};
  return {false, std::string(text.data() + 1, static_cast<size_t>(got - 1))};
}

}  // namespace ringserve::process
