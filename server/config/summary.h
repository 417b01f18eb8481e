// A configuration in a few lines, for people.
#pragma once

#include <string>

#include "server/options.h"

namespace ringserve::config {

// Where it listens, each site with its names, root and rules, logs and admin. Ends in a newline.
std::string summary(const std::string& path, const Options& options);

}  // namespace ringserve::config
