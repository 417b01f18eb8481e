// What the experiments on zero-copy share: the calls with their results as a ring would have them,
// a page in two versions, and a connection beside a file.
#pragma once

#include <fcntl.h>
#include <linux/errqueue.h>
#include <sys/sendfile.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "common/measure/cpu_time.h"
#include "kernel-notes/experiment.h"

namespace notes {

constexpr size_t kPage = 4096;
constexpr size_t kMiB = 1U << 20;
constexpr std::chrono::milliseconds kShort{50};

// What a call says: its result, or minus errno, as a ring would have it.
inline int64_t said(ssize_t result) { return result < 0 ? -errno : result; }

inline int64_t send_file(const OwnedFd& out, const OwnedFd& in, off_t* offset, size_t bytes) {
  return said(::sendfile(out.get(), in.get(), offset, bytes));
}

inline int64_t splice_from(const OwnedFd& in, const OwnedFd& out, size_t bytes,
                           loff_t* offset = nullptr) {
  return said(::splice(in.get(), offset, out.get(), nullptr, bytes, SPLICE_F_NONBLOCK));
}

inline off_t position_of(const OwnedFd& file) { return ::lseek(file.get(), 0, SEEK_CUR); }

inline void overwrite(const OwnedFd& file, char with) {
  const std::string bytes(kPage, with);
  ASSERT_EQ(static_cast<ssize_t>(kPage), ::pwrite(file.get(), bytes.data(), bytes.size(), 0));
}

inline std::string read_pipe(const OwnedFd& pipe, size_t bytes_max) {
  std::string bytes(bytes_max, '\0');
  const ssize_t got = ::read(pipe.get(), bytes.data(), bytes.size());
  bytes.resize(static_cast<size_t>(std::max<ssize_t>(got, 0)));
  return bytes;
}

// Which of the two versions of a page this is.
inline std::string version_of(const std::string& bytes) {
  if (bytes == std::string(kPage, 'o')) return "old";
  return bytes == std::string(kPage, 'n') ? "new" : "neither";
}

// Takes all that comes, without copying it (MSG_TRUNC, tcp(7)), until the end of the file.
class Drain {
 public:
  explicit Drain(const OwnedFd& socket)
      : thread_([fd = socket.get()] {
          while (::recv(fd, nullptr, kMiB, MSG_TRUNC) > 0) continue;
        }) {}
  ~Drain() { thread_.join(); }
  Drain(const Drain&) = delete;
  Drain& operator=(const Drain&) = delete;

 private:
  std::thread thread_;
};

// What the socket's error queue says of a send with MSG_ZEROCOPY.
inline sock_extended_err next_notice(const OwnedFd& socket) {
  await_event(socket, POLLERR);
  alignas(cmsghdr) char control[256];
  msghdr message{};
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  sock_extended_err notice{};
  if (::recvmsg(socket.get(), &message, MSG_ERRQUEUE) < 0) return notice;
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header != nullptr) std::memcpy(&notice, CMSG_DATA(header), sizeof notice);
  return notice;
}

class ZeroCopy : public Experiment {
 protected:
  void SetUp() override {
    Experiment::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    // As ringserve does on loopback: the pacing of bbr would be measured, not the path.
    set_sysctl("net.ipv4.tcp_congestion_control", "reno");
    connection_ = open_connection(listen_on(loopback()));
    file_ = memory_file(std::string(kPage, 'o'));
  }

  const OwnedFd& client() const { return connection_.client; }
  const OwnedFd& server() const { return connection_.server; }
  std::string arrived() { return receive_exactly(client(), kPage); }

  // read(2) and write(2) until all is sent; how many calls it took.
  int copy_to_socket(const OwnedFd& file, size_t bytes) {
    static std::vector<char> buffer(65536);
    int calls = 0;
    for (size_t done = 0; done < bytes;) {
      const ssize_t got =
          ::pread(file.get(), buffer.data(), buffer.size(), static_cast<off_t>(done));
      if (got <= 0) return -1;
      EXPECT_EQ(got, ::write(server().get(), buffer.data(), static_cast<size_t>(got)));
      done += static_cast<size_t>(got);
      calls += 2;
    }
    return calls;
  }

  int send_by_sendfile(const OwnedFd& file, size_t bytes) {
    int calls = 0;
    for (off_t offset = 0; offset < static_cast<off_t>(bytes);) {
      ++calls;
      const auto left = bytes - static_cast<size_t>(offset);
      if (send_file(server(), file, &offset, left) <= 0) return -1;
    }
    return calls;
  }

  void send_by_splice(const OwnedFd& file, const Pipe& pipe, size_t bytes) {
    for (loff_t offset = 0; offset < static_cast<loff_t>(bytes);) {
      int64_t in_pipe = splice_from(file, pipe.write, kMiB, &offset);
      ASSERT_LT(0, in_pipe);
      while (in_pipe > 0) {
        const int64_t sent = said(::splice(pipe.read.get(), nullptr, server().get(), nullptr,
                                           static_cast<size_t>(in_pipe), SPLICE_F_MOVE));
        ASSERT_LT(0, sent);
        in_pipe -= sent;
      }
    }
  }

  Connection connection_;
  OwnedFd file_;
};

}  // namespace notes
