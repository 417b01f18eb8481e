// The TOML files of this folder, as the build embeds them (cmake/embed.cmake).
#pragma once

#include <string_view>

namespace ringtune {

extern const std::string_view kPortsToml;
extern const std::string_view kListenToml;
extern const std::string_view kBuffersToml;
extern const std::string_view kTransportToml;
extern const std::string_view kDeviceToml;
extern const std::string_view kHostToml;

}  // namespace ringtune
