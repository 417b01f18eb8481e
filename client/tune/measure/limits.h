// What `ringtune measure` takes on its command line, at most: `ringtune check` proposes no more.
#pragma once

namespace ringtune {

constexpr double kRttMax_ms = 10'000;
constexpr unsigned kConnectionsMax = 100'000;

}  // namespace ringtune
