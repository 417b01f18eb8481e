// Finds the inode of a listening socket in /proc/net, then the process that holds that inode.
#include "common/net/socket_owner.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <vector>

namespace net {
namespace {

namespace fs = std::filesystem;

constexpr int kStateListen = 0x0A;  // TCP_LISTEN, include/net/tcp_states.h

// Columns of /proc/net/tcp: sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout
// inode
void add_tcp_listeners(const char* table, uint16_t port, std::set<std::string>& inodes) {
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
    if (std::stoi(local.substr(colon + 1), nullptr, 16) == port) inodes.insert(inode);
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
    add_tcp_listeners("/proc/net/tcp", address.port(), inodes);
    add_tcp_listeners("/proc/net/tcp6", address.port(), inodes);
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
