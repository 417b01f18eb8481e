// The way back: a sysctl.d file of the values that were there before, written before anything is
// changed.
#pragma once

#include <string>
#include <vector>

#include "client/tune/apply/compare.h"
#include "common/net/result.h"

namespace ringtune {

// Creates `path`, which must not be there yet: an older way back is never overwritten. On the disk
// when it returns.
net::Status write_undo_file(const std::string& path, const std::string& applied_file,
                            const std::vector<Comparison>& changes);

}  // namespace ringtune
