// Where commands print: results to the standard output, all of it or a failure, and what went
// wrong to the standard error.
#pragma once

#include <string_view>

#include "common/net/result.h"

namespace ringtune {

// kExitDone, or kExitTrouble when the output cannot be written, as to a full disk.
int print(std::string_view text);

// "ringtune: MESSAGE"; returns kExitTrouble.
int trouble(const net::Error& error);

}  // namespace ringtune
