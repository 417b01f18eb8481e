// One connected datagram socket, opened at the start: a sandbox may forbid to open it later.
#include "server/process/service_manager.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace ringserve::process {
namespace {

uint64_t monotonic_us() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
}

// 0 where it is not there or no number.
uint64_t number_of(const char* variable) {
  const char* text = ::getenv(variable);
  uint64_t number = 0;
  if (text != nullptr) std::from_chars(text, text + std::strlen(text), number);
  return number;
}

// A status is one line.
std::string status_line(std::string_view status) {
  std::string line = fmt::format("STATUS={}", status);
  for (char& c : line) {
    if (c == '\n') c = ' ';
  }
  return line;
}

}  // namespace

net::Result<ServiceManager> ServiceManager::from_environment() {
  ServiceManager manager;
  const char* path = ::getenv("NOTIFY_SOCKET");
  if (path == nullptr || *path == '\0') return manager;
  const size_t length = std::strlen(path);
  const std::string what = fmt::format("connect to NOTIFY_SOCKET {}", path);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if ((*path != '/' && *path != '@') || length >= sizeof address.sun_path) {
    return net::fail(what, 0, "it must be an absolute path or the name of an abstract socket");
  }
  std::memcpy(address.sun_path, path, length);
  if (*path == '@') address.sun_path[0] = '\0';
  manager.socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  if (!manager.socket_.valid() ||
      ::connect(manager.socket_.get(), reinterpret_cast<const sockaddr*>(&address), size) < 0) {
    return net::fail(what, errno, "start it by its service manager, or unset NOTIFY_SOCKET");
  }
  const uint64_t watched = number_of("WATCHDOG_PID");
  if (watched == 0 || watched == static_cast<uint64_t>(::getpid())) {
    manager.watchdog_us_ = number_of("WATCHDOG_USEC");
  }
  return manager;
}

void ServiceManager::tell(const std::string& lines) {
  if (!socket_.valid()) return;
  if (::send(socket_.get(), lines.data(), lines.size(), MSG_NOSIGNAL) >= 0) {
    complained_ = false;
    return;
  }
  if (complained_) return;
  complained_ = true;
  spdlog::error("tell the service manager {}: {}", lines.substr(0, lines.find('\n')),
                net::errno_name(errno));
}

void ServiceManager::ready(std::string_view status) { tell("READY=1\n" + status_line(status)); }
void ServiceManager::reloading() {
  tell(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", monotonic_us()));
}
void ServiceManager::stopping(std::string_view status) {
  tell("STOPPING=1\n" + status_line(status));
}
void ServiceManager::succeeded_by(pid_t pid) { tell(fmt::format("MAINPID={}", pid)); }
void ServiceManager::status(std::string_view status) { tell(status_line(status)); }
void ServiceManager::sign_of_life() { tell("WATCHDOG=1"); }

}  // namespace ringserve::process
