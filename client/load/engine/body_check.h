// --body verify:DIR: every byte of a response against the file it should be.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/net/result.h"

namespace ringload {

// The files below a directory that the paths of the run name, mapped into memory. Immutable,
// shared by all threads. A file must not be changed while it is mapped.
class ExpectedBodies {
 public:
  ~ExpectedBodies();
  ExpectedBodies(const ExpectedBodies&) = delete;
  ExpectedBodies& operator=(const ExpectedBodies&) = delete;

  // `paths`: request targets; query cut off, %XX decoded, "index.html" behind a final slash.
  static net::Result<std::unique_ptr<ExpectedBodies>> open(const std::string& directory,
                                                           const std::vector<std::string>& paths);

  // In the order of `paths`.
  std::string_view at(uint32_t index) const { return bodies_[index]; }

 private:
  ExpectedBodies() = default;
  net::Status map(const std::string& file);

  std::vector<std::string_view> bodies_;
};

}  // namespace ringload
