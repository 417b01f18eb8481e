// Listening sockets that another process has opened for this one: a service manager or the server
// that this one takes over from. The protocol is sd_listen_fds(3): descriptors from 3 on, described
// by LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/net/address.h"
#include "common/net/owned_fd.h"
#include "common/net/result.h"

namespace ringserve::process {

constexpr int kFirstInherited = 3;  // SD_LISTEN_FDS_START

// Names of sockets that a predecessor has bound for its own --listen and --admin: they are used
// only where this server's settings ask for the address too. All others were given by a service
// manager, and are used whatever the settings say.
constexpr std::string_view kBoundName = "ringserve.bound";
constexpr std::string_view kBoundAdminName = "ringserve.bound-admin";
// FileDescriptorName=admin in a socket unit: /metrics and the like are served there.
constexpr std::string_view kAdminName = "admin";

struct Inherited {
  net::OwnedFd socket;  // blocking, close-on-exec
  net::Address address;
  std::string name;
};

// What the environment announces, if it is meant for this process; the variables are gone then.
// Called once, before any thread. Fails where a descriptor is no listening stream socket.
net::Result<std::vector<Inherited>> take_inherited();

}  // namespace ringserve::process
