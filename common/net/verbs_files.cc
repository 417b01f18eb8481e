// The verbs of verbs.h for files, pipes and descriptors, and the CPU time that using them costs.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "common/net/require.h"
#include "common/net/verbs.h"

namespace net::verbs {
namespace {

// A message of one byte with room for one descriptor.
struct Parcel {
  Parcel() {
    message.msg_iov = &content;
    message.msg_iovlen = 1;
    message.msg_control = room;
    message.msg_controllen = sizeof room;
  }
  Parcel(const Parcel&) = delete;
  Parcel& operator=(const Parcel&) = delete;

  char byte = 0;
  iovec content{&byte, 1};
  alignas(cmsghdr) char room[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
};

}  // namespace

OwnedFd memory_file(std::string_view bytes) {
  OwnedFd file(::memfd_create("experiment", MFD_CLOEXEC));
  require(file.valid(), "memfd_create");
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t written =
        ::pwrite(file.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    require(written > 0, "pwrite");
    done += static_cast<size_t>(written);
  }
  return file;
}

Pipe make_pipe(int capacity_bytes) {
  int ends[2] = {-1, -1};
  require(::pipe2(ends, O_CLOEXEC) == 0, "pipe2");
  Pipe pipe{OwnedFd(ends[0]), OwnedFd(ends[1])};
  if (capacity_bytes > 0) {
    require(::fcntl(pipe.write.get(), F_SETPIPE_SZ, capacity_bytes) >= 0, "fcntl F_SETPIPE_SZ");
  }
  return pipe;
}

void send_descriptor(const OwnedFd& socket, const OwnedFd& descriptor) {
  Parcel parcel;
  cmsghdr* header = CMSG_FIRSTHDR(&parcel.message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  const int fd = descriptor.get();
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  require(::sendmsg(socket.get(), &parcel.message, MSG_NOSIGNAL) == 1, "sendmsg SCM_RIGHTS");
}

OwnedFd receive_descriptor(const OwnedFd& socket) {
  Parcel parcel;
  require(::recvmsg(socket.get(), &parcel.message, MSG_CMSG_CLOEXEC) == 1, "recvmsg SCM_RIGHTS");
  const cmsghdr* header = CMSG_FIRSTHDR(&parcel.message);
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS) {
    throw std::system_error(EBADMSG, std::generic_category(), "a message without a descriptor");
  }
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return OwnedFd(fd);
}

int64_t thread_cpu_ns() {
  timespec time{};
  require(::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0, "clock_gettime");
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

}  // namespace net::verbs
