// What a system call returned, a signal that is counted, and a thread that sleeps in one system
// call and can be interrupted there.
#pragma once

#include <sys/syscall.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <thread>

#include "kernel-notes/experiment.h"

namespace notes {

// What a call returned, and errno where that was -1.
struct Returned {
  ssize_t bytes = 0;
  int error = 0;

  std::string text() const { return bytes < 0 ? net::errno_name(error) : std::to_string(bytes); }
};
inline Returned just(ssize_t result) { return {result, result < 0 ? errno : 0}; }

inline std::atomic<int> signals_seen{0};

// Handles a signal while this object lives, by counting it.
class CountedSignal {
 public:
  CountedSignal(int number, int flags) : number_(number) {
    struct sigaction action {};
    action.sa_handler = [](int) { ++signals_seen; };
    action.sa_flags = flags;
    signals_seen = 0;
    EXPECT_EQ(0, ::sigaction(number, &action, &before_));
  }
  CountedSignal(const CountedSignal&) = delete;
  CountedSignal& operator=(const CountedSignal&) = delete;
  ~CountedSignal() { ::sigaction(number_, &before_, nullptr); }

 private:
  int number_;
  struct sigaction before_ {};
};

// A thread that makes one call, SYS_sendto or SYS_recvfrom, and blocks in it.
class BlockedCall {
 public:
  template <typename Call>
  BlockedCall(long number, Call call)
      : number_(number), thread_([this, call] {
          tid_ = static_cast<int>(::syscall(SYS_gettid));
          returned_ = call();
        }) {
    await("the thread", [this] { return tid_ != 0; });
  }
  BlockedCall(const BlockedCall&) = delete;
  BlockedCall& operator=(const BlockedCall&) = delete;
  ~BlockedCall() {
    if (thread_.joinable()) thread_.join();
  }

  void await_sleep() {
    await("a blocked call", [this] { return is_asleep(); });
  }
  // To the thread while it sleeps in the call; when this returns the kernel has acted on it.
  void interrupt(int signal) {
    await_sleep();
    EXPECT_EQ(0, ::pthread_kill(thread_.native_handle(), signal));
    await("the signal", [this] { return !is_pending(); });
  }
  Returned result() {
    thread_.join();
    return returned_;
  }

 private:
  std::ifstream file(const char* name) const {
    return std::ifstream(fmt::format("/proc/self/task/{}/{}", tid_.load(), name));
  }
  bool is_asleep() const {
    std::string word;  // the number of the call, or "running"
    if (file("syscall") >> word) return word == std::to_string(number_);
    std::ifstream status = file("status");  // where that file is missing: "State: S (sleeping)"
    while (status >> word) {
      if (word == "State:") return status >> word && word == "S";
    }
    return false;
  }
  bool is_pending() const {
    std::ifstream status = file("status");
    for (std::string word; status >> word;) {
      if (word == "SigPnd:") return status >> word && word.find_first_not_of('0') != word.npos;
    }
    return false;  // the thread has ended
  }

  long number_;
  std::atomic<int> tid_{0};
  Returned returned_;
  std::thread thread_;
};

}  // namespace notes
