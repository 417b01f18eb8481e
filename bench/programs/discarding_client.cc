// Peeks until the end of the head is in sight, takes exactly the head, and leaves the body to
// MSG_TRUNC. It relies on a blocking socket and on responses that carry Content-Length.
#include "bench/programs/discarding_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <stdexcept>
#include <string_view>
#include <system_error>

namespace bench {
namespace {

constexpr std::uint64_t kDiscardBytesPerCall = 1 << 20;
constexpr std::size_t kHeadBytesMax = 16 << 10;
constexpr const char* kTruncated = "the server closed before the response was complete";
constexpr int kStallMs = 30'000;

[[noreturn]] void fail(const char* call) {
  throw std::system_error(errno, std::generic_category(), call);
}

std::size_t receive(int fd, char* to, std::size_t length, int flags) {
  const ssize_t got = ::recv(fd, to, length, flags);
  if (got < 0) fail("recv");
  if (got == 0) throw std::runtime_error(kTruncated);
  return static_cast<std::size_t>(got);
}

std::uint64_t content_length(std::string_view head) {
  constexpr std::string_view kName = "\r\nContent-Length:";
  const auto same = [](char a, char b) { return std::tolower(a) == std::tolower(b); };
  const auto found = std::search(head.begin(), head.end(), kName.begin(), kName.end(), same);
  if (found == head.end()) throw std::runtime_error("a response without Content-Length");
  return std::stoull(std::string(found + kName.size(), head.end()));
}

}  // namespace

DiscardingClient::DiscardingClient(const std::string& ipv4_address, std::uint16_t port)
    : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
      host_(ipv4_address + ":" + std::to_string(port)) {
  if (!socket_.valid()) fail("socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (::inet_pton(AF_INET, ipv4_address.c_str(), &address.sin_addr) != 1) {
    throw std::invalid_argument(ipv4_address + " is not an IPv4 address");
  }
  if (::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    fail("connect");
  }
  const int on = 1;
  ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

std::string DiscardingClient::request_for(const std::string& path) const {
  return "GET " + path + " HTTP/1.1\r\nHost: " + host_ + "\r\n\r\n";
}

Response DiscardingClient::get(const std::string& path) {
  const std::string request = request_for(path);
  const ssize_t sent = ::send(socket_.get(), request.data(), request.size(), MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(request.size())) fail("send");
  const std::string head = receive_head();
  if (head.size() < 12 || head.compare(9, 3, "200") != 0) {
    throw std::runtime_error("not a 200: " + head.substr(0, head.find('\r')));
  }
  const Response response{head.size(), content_length(head)};
  discard(response.body_bytes);
  return response;
}

std::string DiscardingClient::receive_head() {
  std::array<char, kHeadBytesMax> seen;
  std::string head;
  while (head.size() < kHeadBytesMax) {
    const std::size_t before = head.size();
    const std::size_t peeked = receive(socket_.get(), seen.data(), seen.size(), MSG_PEEK);
    head.append(seen.data(), peeked);
    const std::size_t end = head.find("\r\n\r\n", before < 3 ? 0 : before - 3);
    if (end != std::string::npos) head.resize(end + 4);
    receive(socket_.get(), seen.data(), head.size() - before, MSG_WAITALL);
    if (end != std::string::npos) return head;
  }
  throw std::runtime_error("a head of more than 16 KiB");
}

void DiscardingClient::discard(std::uint64_t bytes) {
  while (bytes > 0) {
    const std::uint64_t wanted = std::min(bytes, kDiscardBytesPerCall);
    wait_for(wanted);
    const ssize_t got = ::recv(socket_.get(), nullptr, wanted, MSG_TRUNC | MSG_DONTWAIT);
    if (got < 0 && errno != EAGAIN) fail("recv");
    if (got == 0) throw std::runtime_error(kTruncated);
    if (got > 0) bytes -= static_cast<std::uint64_t>(got);
  }
  set_low_water_mark(1);
}

void DiscardingClient::wait_for(std::uint64_t bytes) {
  if (bytes != low_water_mark_bytes_) set_low_water_mark(bytes);
  pollfd readable{socket_.get(), POLLIN, 0};
  if (::poll(&readable, 1, kStallMs) == 0) throw std::runtime_error("the server stalled");
}

void DiscardingClient::set_low_water_mark(std::uint64_t bytes) {
  const int value = static_cast<int>(bytes);
  if (::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVLOWAT, &value, sizeof value) != 0) {
    fail("SO_RCVLOWAT");
  }
  low_water_mark_bytes_ = bytes;
}

}  // namespace bench
