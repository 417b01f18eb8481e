// What SIGHUP needs: the file read again, and what of it has to wait for the next start.
#pragma once

#include <string>
#include <vector>

#include "common/net/result.h"
#include "server/options.h"

namespace ringserve::config {

// Reads the file that the running options came from, with the same command line. Errors: that there
// is no file, or the first of its mistakes with its place and how many more there are, in one line.
// Reads files and may wait for a disk: not for a worker's thread.
net::Result<Options> reload(const Options& running);

// The names of the settings that differ but take effect only at a start, in the order of --help:
// listen, threads, congestion, send-path, tuning, cork, memory-cache, open-files, max-connections,
// admin.
std::vector<std::string> needs_restart(const Options& running, const Options& wanted);

// The others: what is in force from now on, for the next reload to be compared with. What belongs
// to the start is not touched: other threads read it.
void take_over(const Options& wanted, Options& running);

}  // namespace ringserve::config
