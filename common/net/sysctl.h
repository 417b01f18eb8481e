// Kernel parameters by their dotted names: net.ipv4.tcp_tw_reuse is /proc/sys/net/ipv4/tcp_tw_reuse
// (proc_sys(5), Documentation/networking/ip-sysctl.rst). Those of the network are the ones of the
// calling thread's network namespace. Any thread may call. An Error names the file and the errno;
// ENOENT is a kernel, or a namespace, that does not have the parameter.
#pragma once

#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/net/result.h"

namespace net {

using PortSet = std::bitset<65536>;  // 8 KiB; index: the port in host order

struct PortRange {
  uint16_t first = 0;  // both ends belong to it
  uint16_t last = 0;

  unsigned size() const { return unsigned{last} - first + 1; }
};

// Without the newline at its end. The whole text; parameters are at most a page long, but
// ip_local_reserved_ports, which may be longer, is read to its end too.
Result<std::string> read_sysctl(std::string_view name);
Result<int64_t> read_sysctl_int(std::string_view name);
// Two ports, as in net.ipv4.ip_local_port_range: first <= last.
Result<PortRange> read_sysctl_port_range(std::string_view name);
// A list of ports and ranges, as in net.ipv4.ip_local_reserved_ports; may be empty.
Result<PortSet> read_sysctl_ports(std::string_view name);

Status write_sysctl(std::string_view name, std::string_view value);

// "8080,9000-9010" as the kernel writes it (proc_do_large_bitmap() in kernel/sysctl.c), or EINVAL.
Result<PortSet> parse_ports(std::string_view text);

}  // namespace net
