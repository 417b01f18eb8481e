// What clients of the socket fuzzer send: good requests whose answers are known, damaged ones made
// of them, cuts, and an end. All of it follows from a seed and the connection's number.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/temp_tree.h"

namespace fuzz {

struct Expected {
  int status = 0;
  bool is_head = false;  // its answer has no body
  bool closes = false;   // nothing behind it is answered
  bool body_known = false;
  std::string body = {};
};

struct GoodRequest {
  std::string bytes;
  Expected expected;
};

enum class End {
  half_close,  // FIN, and everything that comes is read
  reset,       // closed in the middle of what it says, unread
  deaf,        // closed in the middle of what it hears
};

struct Script {
  std::string bytes;
  size_t requests = 0;             // good and damaged
  std::vector<Expected> expected;  // of those before the first damaged one
  bool is_damaged = false;         // what comes behind is anybody's guess, but well-formed
  // Something stands behind a request that asks for the end: the server need not have read it when
  // it closes, and the reset that answers it may destroy what it said (RFC 9112 section 9.6).
  bool may_be_reset = false;
  bool may_be_head = false;  // and whether its answers have bodies is not known either
  std::vector<size_t> cuts;  // offsets, ascending; the last is the end
  End end = End::half_close;
  size_t end_bytes = 0;  // sent (reset) or received (deaf) before the end
};

// Of the site, which `tree` is filled with.
std::vector<GoodRequest> requests_to_site(support::TempTree& tree);
// Of the administrator's listener, which serves whatever the site is.
std::vector<GoodRequest> requests_to_admin();

class ScriptWriter {
 public:
  // `damaged_too`: inputs of other fuzz targets.
  ScriptWriter(uint64_t seed, std::vector<GoodRequest> good, std::vector<std::string> damaged_too,
               std::vector<std::string> words);
  Script write(uint64_t connection) const;

 private:
  uint64_t seed_;
  std::vector<GoodRequest> good_;
  std::vector<std::string> originals_;  // to be damaged
  std::vector<std::string> words_;
};

}  // namespace fuzz
