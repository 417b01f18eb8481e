// What the experiments on the ring share: a connection beside a ring, what runs out when it should,
// and the threads that the kernel makes.
#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/uio.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <thread>

#include "kernel-notes/experiment.h"
#include "kernel-notes/ring_verbs.h"

namespace notes {

constexpr std::chrono::milliseconds kShort{50};

inline size_t open_descriptors() {
  const auto entries = std::filesystem::directory_iterator("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(entries), end(entries)));
}

// Threads that the kernel made for rings of this process: "iou-wrk-PID".
inline std::set<std::string> ring_threads() {
  std::set<std::string> found;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::ifstream comm(task.path() / "comm");
    std::getline(comm, name);
    if (name.starts_with("iou-wrk")) found.insert(task.path().filename());
  }
  return found;
}

// One descriptor more can be opened while this object lives.
class LastDescriptor {
 public:
  LastDescriptor() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const OwnedFd next(::fcntl(0, F_DUPFD_CLOEXEC, 0));  // the lowest one that is free
    const rlimit lowered{static_cast<rlim_t>(next.get()) + 1, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &lowered);
  }
  ~LastDescriptor() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  LastDescriptor(const LastDescriptor&) = delete;
  LastDescriptor& operator=(const LastDescriptor&) = delete;

 private:
  rlimit before_{};
};

class TheRing : public Experiment {
 protected:
  void SetUp() override {
    Experiment::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    auto opened = net::Ring::open({});
    if (!opened) SKIP_EXPERIMENT(opened.error().message());
    ring_ = std::make_unique<NamedRing>(std::move(*opened));
    listener_ = listen_on(loopback());
    connection_ = open_connection(listener_);
    set_option(server(), SOL_SOCKET, SO_SNDBUF, 65536);
  }

  const OwnedFd& client() const { return connection_.client; }
  const OwnedFd& server() const { return connection_.server; }
  OwnedFd knock() { return connect_to(local_of(listener_)); }

  void make_buffers(unsigned count) {
    auto made = net::BufferRing::create(ring_->ring(), 7, count, 64);
    ASSERT_TRUE(made) << made.error().message();
    buffers_ = std::move(*made);
  }

  void give_back(const Completion& completion) {
    io_uring_cqe cqe{};
    cqe.flags = completion.flags;
    buffers_->give_back(cqe);
  }

  // The next two completions, by their names 1 and 2.
  std::pair<Completion, Completion> both() {
    const Completion one = ring_->next(), other = ring_->next();
    return one.name == 1 ? std::pair(one, other) : std::pair(other, one);
  }

  const std::string much_ = std::string(8U << 20, 'x');  // more than the connection's buffers hold
  OwnedFd listener_;
  Connection connection_;
  std::unique_ptr<NamedRing> ring_;
  std::unique_ptr<net::BufferRing> buffers_;
};

class MultishotAccept : public TheRing {};
class MultishotReceive : public TheRing {};
class RingSend : public TheRing {};
class Completions : public TheRing {};

// Two rings wait at one listener: how many of 8 connections each gets.
inline std::pair<int, int> shared_out(const OwnedFd& listener, bool is_multishot) {
  NamedRing rings[2];
  int taken[2] = {0, 0};
  const auto arm = [&](int which) {
    if (is_multishot) return rings[which].accept_many(1, listener);
    rings[which].accept_once(1, listener);
  };
  arm(0);
  arm(1);
  std::vector<OwnedFd> sockets;
  for (int i = 0; i < 8; ++i) {
    sockets.push_back(connect_to(local_of(listener)));
    await("a ring to accept", [&] {
      for (int which : {0, 1}) {
        const auto accepted = rings[which].look(std::chrono::milliseconds(0));
        if (!accepted) continue;
        ++taken[which];
        sockets.emplace_back(accepted->result);
        if (!is_multishot) arm(which);
        return true;
      }
      return false;
    });
  }
  return {taken[0], taken[1]};
}

class Links : public TheRing {
 protected:
  void queue_linked(std::function<void(io_uring_sqe*)> prepare_first) {
    ring_->ring().reserve(2);
    ring_->queue(1, [&](io_uring_sqe* entry) {
      prepare_first(entry);
      entry->flags |= IOSQE_IO_LINK;
    });
    ring_->queue(2, [](io_uring_sqe* entry) { io_uring_prep_nop(entry); });
  }

  // A splice of 4096 bytes from a file to a pipe, and what is linked to it: what both say.
  std::pair<int, int> splice_then_nop(size_t file_bytes) {
    const OwnedFd file = memory_file(std::string(file_bytes, 'x'));
    const Pipe pipe = make_pipe();
    queue_linked([&](io_uring_sqe* entry) {
      io_uring_prep_splice(entry, file.get(), 0, pipe.write.get(), -1, 4096, 0);
    });
    const auto [splice, nop] = both();
    return {splice.result, nop.result};
  }
};

// Whether a read of the file that must not wait is possible at all (FMODE_NOWAIT).
inline bool knows_nowait(const OwnedFd& file) {
  char byte = 0;
  const iovec part{&byte, 1};
  return ::preadv2(file.get(), &part, 1, 0, RWF_NOWAIT) >= 0 || errno == EAGAIN;
}

class RingThreads : public TheRing {
 protected:
  // Threads that one operation makes. In a thread of its own: the ring's threads belong to it.
  static size_t made_by(const std::function<void(io_uring_sqe*)>& prepare) {
    size_t made = 0;
    std::thread([&] {
      NamedRing ring;
      const auto before = ring_threads();
      ring.queue(1, prepare);
      ring.next();
      for (const std::string& thread : ring_threads()) made += before.count(thread) == 0 ? 1 : 0;
    }).join();
    return made;
  }
};

class DirectDescriptors : public TheRing {
 protected:
  void accept_direct(unsigned slots) {
    ASSERT_EQ(0, io_uring_register_files_sparse(ring_->raw(), slots));
    ring_->queue(1, [&](io_uring_sqe* entry) {
      io_uring_prep_multishot_accept_direct(entry, listener_.get(), nullptr, nullptr, 0);
    });
    ring_->submit();
  }
};

}  // namespace notes
