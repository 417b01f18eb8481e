// What is to be tried: names and values from the command line, the host's own values, and what the
// kernel says to each in a network of its own before anything is measured.
#pragma once

#include <string>
#include <vector>

#include "client/tune/measure/arena.h"

namespace ringtune {

struct Trial {  // one --set
  std::string name;
  std::vector<std::string> values;
};

// NAME=V1,V2; where the values hold commas themselves, NAME=V1;V2.
net::Result<Trial> parse_trial(const std::string& text);
net::Result<Setting> parse_setting(const std::string& text);  // NAME=VALUE

struct Surroundings {
  std::vector<Setting> copied;          // of the host, where it differs from a fresh network
  std::vector<std::string> not_copied;  // "NAME: why"
};

// The host's net.core.* and net.ipv4.* that a fresh network does not have by itself: a new
// namespace begins with the kernel's defaults, and what is measured is to be true of this host.
net::Result<Surroundings> copy_of_the_host();

// Sets each value in a network of its own, in which the surroundings are set. Errors: the first
// that the kernel refuses or changes.
net::Status try_values(const std::vector<Setting>& surroundings, const std::vector<Trial>& trials);
// What those parameters are in such a network, before anything is tried.
net::Result<std::vector<std::string>> present_values(const std::vector<Setting>& surroundings,
                                                     const std::vector<Trial>& trials);

}  // namespace ringtune
