// The real ringtune: its exit status, and what it printed or wrote.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/child_process.h"

namespace support {

inline constexpr ExitStatus kDone{0, 0};
inline constexpr ExitStatus kFound{1, 0};
inline constexpr ExitStatus kTrouble{2, 0};

// RINGTUNE_BINARY in the environment makes the tests run another one.
inline std::string ringtune_binary() {
  const char* chosen = std::getenv("RINGTUNE_BINARY");
  return chosen != nullptr && *chosen != '\0' ? chosen : RINGTUNE_BINARY;
}

inline Finished ringtune(std::vector<std::string> arguments,
                         const ChildSetup& setup = nothing_special()) {
  arguments.insert(arguments.begin(), ringtune_binary());
  Finished finished = run_to_exit(arguments, setup);
  EXPECT_EQ(finished.err.find("Sanitizer: "), std::string::npos) << finished.err;
  EXPECT_EQ(finished.err.find("runtime error: "), std::string::npos) << finished.err;
  return finished;
}

inline std::string read_text(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace support
