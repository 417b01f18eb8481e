// What the server tells the service manager that started it, by the protocol of sd_notify(3): a
// datagram of lines to the socket named in NOTIFY_SOCKET. Without that variable, nothing is said.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "common/net/owned_fd.h"
#include "common/net/result.h"

namespace ringserve::process {

class ServiceManager {
 public:
  // Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. Fails where the socket cannot be reached.
  static net::Result<ServiceManager> from_environment();

  void ready(std::string_view status);     // READY=1
  void reloading();                        // RELOADING=1 with MONOTONIC_USEC; ready() ends it
  void stopping(std::string_view status);  // STOPPING=1
  void succeeded_by(pid_t pid);            // MAINPID=
  void status(std::string_view status);    // STATUS=
  void sign_of_life();                     // WATCHDOG=1

  bool is_there() const { return socket_.valid(); }
  // How often it wants a sign of life, in microseconds; 0: it does not.
  uint64_t watchdog_us() const { return watchdog_us_; }

 private:
  void tell(const std::string& lines);

  net::OwnedFd socket_;
  uint64_t watchdog_us_ = 0;
  bool complained_ = false;
};

}  // namespace ringserve::process
