// A stream pair and a datagram pair on paths of the file system: what the path is, when it is in
// the way, and who can be answered.
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cstdlib>
#include <filesystem>

#include "kernel-notes/labs/labs.h"

namespace notes::labs {
namespace {

// A directory of the lab's own, which goes with it.
class Directory {
 public:
  Directory() {
    std::string pattern = std::filesystem::temp_directory_path() / "ringserve-lab.XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) {
      throw std::system_error(errno, std::generic_category(), "mkdtemp " + pattern);
    }
    path_ = pattern;
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  std::string file(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// The permissions of files bind the calling thread, even if it is root, while this lives.
class WithoutOverride {
 public:
  WithoutOverride() {
    header_.version = _LINUX_CAPABILITY_VERSION_3;
    ::syscall(SYS_capget, &header_, before_);
    __user_cap_data_struct without[2] = {before_[0], before_[1]};
    without[0].effective &= ~(1U << CAP_DAC_OVERRIDE);
    ::syscall(SYS_capset, &header_, without);
  }
  WithoutOverride(const WithoutOverride&) = delete;
  WithoutOverride& operator=(const WithoutOverride&) = delete;
  ~WithoutOverride() { ::syscall(SYS_capset, &header_, before_); }

 private:
  __user_cap_header_struct header_{};
  __user_cap_data_struct before_[2]{};
};

Address address_of(const std::string& path) { return net::verbs::at("unix:" + path); }

OwnedFd unix_socket(int type) {
  OwnedFd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  if (!socket.valid()) throw std::system_error(errno, std::generic_category(), "socket AF_UNIX");
  return socket;
}

// Says what lies at the path; whether it is a socket of size 0.
bool look_at(Party& party, const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return false;
  const bool is_socket = S_ISSOCK(status.st_mode);
  party.note("stat(): {}, {} bytes, mode {:o}", is_socket ? "a socket" : "no socket",
             status.st_size, status.st_mode & 07777);
  return is_socket && status.st_size == 0;
}

void stream(Conversation& conversation, const Directory& directory) {
  conversation.scene("(a) Stream", {{"client"}, {"server"}});
  Party client(conversation, 0), server(conversation, 1);
  const std::string path = directory.file("hi.sock");
  const Address address = address_of(path);

  const int absent = client.connect(unix_socket(SOCK_STREAM), address);
  OwnedFd listener = unix_socket(SOCK_STREAM);
  server.bind(listener, address);
  server.listen(listener);
  const bool is_empty_socket = look_at(server, path);

  OwnedFd asking = unix_socket(SOCK_STREAM);
  client.connect(asking, address);
  const OwnedFd answering = server.accept(listener);
  client.send(asking, "world\n");
  server.send(answering, "Hi, " + server.receive(answering).bytes);
  const std::string heard = client.receive(asking).bytes;
  client.close(asking);
  const Outcome end = server.receive(answering);

  int forbidden = 0;
  {
    const WithoutOverride as_anyone;
    ::chmod(path.c_str(), 0);
    server.note("chmod(hi.sock, 0)");
    forbidden = client.connect(unix_socket(SOCK_STREAM), address);
    ::chmod(path.c_str(), 0600);
  }
  conversation.expect(absent == ENOENT, "without a server there is no path: ENOENT");
  conversation.expect(forbidden == EACCES, "without permission to write to the path: EACCES");
  conversation.expect(is_empty_socket, "the path is a file of its own kind, and of size 0");
  conversation.expect(heard == "Hi, world\n" && end.value == 0,
                      "the line is answered, and the server reads the client's end as 0");

  server.note("is stopped, and leaves the path behind");
  server.close(listener);
  const int refused = client.connect(unix_socket(SOCK_STREAM), address);
  listener = unix_socket(SOCK_STREAM);
  const int in_use = server.bind(listener, address);
  server.unlink(path);
  const int bound = server.bind(listener, address);
  conversation.expect(refused == ECONNREFUSED && in_use == EADDRINUSE,
                      "a stale path refuses clients (ECONNREFUSED) and servers (EADDRINUSE)");
  conversation.expect(bound == 0, "unlink() before bind() helps; there is no SO_REUSEADDR for it");
}

void datagram(Conversation& conversation, const Directory& directory) {
  conversation.scene("(b) Datagram", {{"client"}, {"server"}});
  Party client(conversation, 0), server(conversation, 1);
  const Address address = address_of(directory.file("server.sock"));
  const OwnedFd answering = unix_socket(SOCK_DGRAM);

  const OwnedFd nameless = unix_socket(SOCK_DGRAM);
  const Outcome absent = client.send_to(nameless, address, "world");
  server.bind(answering, address);
  client.send_to(nameless, address, "world");
  const Outcome asked = server.receive_from(answering);
  const Outcome unanswered = server.send_to(answering, *asked.sender, "Hi, " + asked.bytes);

  const OwnedFd named = unix_socket(SOCK_DGRAM);
  client.bind(named, address_of(directory.file("client.sock")));
  client.send_to(named, address, "again");
  const Outcome asked_again = server.receive_from(answering);
  server.send_to(answering, *asked_again.sender, "Hi, " + asked_again.bytes);
  const std::string heard = client.receive_from(named).bytes;

  conversation.expect(absent.error == ENOENT,
                      "a datagram without a server fails at once, unlike UDP: ENOENT");
  conversation.expect(asked.sender->unix_path().empty() && unanswered.error == ENOTCONN,
                      "a client that has not bound a path has no address, and cannot be answered");
  conversation.expect(heard == "Hi, again", "one that has bound a path is answered");
}

}  // namespace

void unix_sockets(Conversation& conversation, const Arguments&) {
  conversation.tell(
      "The server answers \"Hi, \" and what it was told. Paths lie in a directory of "
      "the lab's own; servers do best with absolute ones.");
  const Directory directory;
  stream(conversation, directory);
  datagram(conversation, directory);
}

}  // namespace notes::labs
