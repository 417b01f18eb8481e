// `ringload ports [--to ADDR:PORT]`: the ephemeral ports and TIME_WAIT of this network namespace as
// they are now. It opens no connection and sends nothing.
#pragma once

#include <cstdio>
#include <optional>

#include "common/net/address.h"

namespace ringload {

// Writes text for people, at most 80 columns wide but for IPv6 addresses, to `out`, errors to
// stderr. Returns the exit status: 0, or 1 when the sockets cannot be seen, the address is not of
// TCP, or nothing leads to it.
int show_ports(const std::optional<net::Address>& to, FILE* out);

}  // namespace ringload
