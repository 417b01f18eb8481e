// Who listens on an address: the answer to EADDRINUSE.
#pragma once

#include <string>

#include "common/net/address.h"

namespace net {

// "nginx (pid 812)", or empty where /proc does not show it (another user's process, another
// network namespace). Reads /proc/net/{tcp,tcp6,unix} and /proc/PID/fd (proc(5)); slow, for error
// messages only.
std::string describe_listener_owner(const Address& address);

}  // namespace net
