// Finds the inode of a listening socket in /proc/net, then the process that holds that inode.
#include "common/net/socket_owner.h"

#include <fmt/format.h>
#include <netinet/in.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <vector>

namespace net {
namespace {

namespace fs = std::filesystem;

constexpr int kStateListen = 0x0A;  // TCP_LISTEN, include/net/tcp_states.h

// Whether the listener whose IP address stands in `hex` (32-bit words in host order) is in the way:
// the same address, or either one a wildcard.
bool may_conflict(const std::string& hex, const Address& address) {
  const auto is_zero = [](const std::string& digits) {
    return digits.find_first_not_of('0') == std::string::npos;
  };
  std::string own;
  const auto add_words = [&own](const void* bytes, size_t size) {
    for (size_t at = 0; at < size; at += sizeof(uint32_t)) {
      uint32_t word = 0;
      std::memcpy(&word, static_cast<const char*>(bytes) + at, sizeof word);
      own += fmt::format("{:08X}", word);
    }
  };
  if (address.family() == AF_INET) {
    add_words(&reinterpret_cast<const sockaddr_in*>(address.data())->sin_addr, 4);
  } else {
    add_words(&reinterpret_cast<const sockaddr_in6*>(address.data())->sin6_addr, 16);
  }
  return hex == own || is_zero(hex) || is_zero(own);
}

// Columns of /proc/net/tcp: sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout
// inode
void add_tcp_listeners(const char* table, const Address& address, std::set<std::string>& inodes) {
  std::ifstream in(table);
  std::string line;
  std::getline(in, line);  // the heading
  while (std::getline(in, line)) {
    std::istringstream columns(line);
    std::string slot, local, remote, state, queues, timer, retransmits, uid, timeout, inode;
    columns >> slot >> local >> remote >> state >> queues >> timer >> retransmits >> uid >>
        timeout >> inode;
    const size_t colon = local.rfind(':');
    if (inode.empty() || colon == std::string::npos) continue;
    if (std::stoi(state, nullptr, 16) != kStateListen) continue;
    if (std::stoi(local.substr(colon + 1), nullptr, 16) != address.port()) continue;
    if (may_conflict(local.substr(0, colon), address)) inodes.insert(inode);
  }
}

// Columns of /proc/net/unix: Num RefCount Protocol Flags Type St Inode Path
void add_unix_listeners(const std::string& path, std::set<std::string>& inodes) {
  std::ifstream in("/proc/net/unix");
  std::string line;
  std::getline(in, line);
  while (std::getline(in, line)) {
    std::istringstream columns(line);
    std::string number, references, protocol, flags, type, state, inode, name;
    columns >> number >> references >> protocol >> flags >> type >> state >> inode;
    std::getline(columns >> std::ws, name);
    if (name == path) inodes.insert(inode);
  }
}

bool holds_any(const fs::path& process, const std::set<std::string>& inodes) {
  std::error_code error;
  for (fs::directory_iterator it(process / "fd", error), end; !error && it != end;
       it.increment(error)) {
    std::error_code link_error;
    const std::string target = fs::read_symlink(it->path(), link_error).string();
    constexpr std::string_view kPrefix = "socket:[";
    if (link_error || target.rfind(kPrefix, 0) != 0) continue;
    if (inodes.count(target.substr(kPrefix.size(), target.size() - kPrefix.size() - 1)) != 0) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::string describe_listener_owner(const Address& address) {
  std::set<std::string> inodes;
  if (address.is_unix()) {
    add_unix_listeners(address.unix_path(), inodes);
  } else {
    add_tcp_listeners("/proc/net/tcp", address, inodes);
    add_tcp_listeners("/proc/net/tcp6", address, inodes);
  }
  if (inodes.empty()) return {};
  std::error_code error;
  for (fs::directory_iterator it("/proc", error), end; !error && it != end; it.increment(error)) {
    const std::string pid = it->path().filename().string();
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    if (!holds_any(it->path(), inodes)) continue;
    std::string name;
    std::getline(std::ifstream(it->path() / "comm"), name);
    return fmt::format("{} (pid {})", name, pid);
  }
  return {};
}

}  // namespace net
