// The requests of a run, written out once before it begins, and the choice among them.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "client/load/plan.h"

namespace ringload {

struct PreparedRequest {
  std::string bytes;          // request line, fields, empty line (RFC 9112 section 2.1)
  std::string closing_bytes;  // the same, asking the server to close after the answer
  std::string path;
};

// All requests of one target. Immutable, shared by all threads.
class RequestSet {
 public:
  RequestSet(const Plan& plan, const Target& target);

  const PreparedRequest& at(uint32_t index) const { return requests_[index]; }
  uint32_t size() const { return static_cast<uint32_t>(requests_.size()); }
  // A number below size(), by popularity: Vose's alias method, one random number a choice.
  uint32_t choose(std::mt19937_64& random) const;

 private:
  void weigh(double zipf_exponent);

  std::vector<PreparedRequest> requests_;
  // Column i keeps i with probability keep_[i] / 2^32, else alias_[i]; empty when all are alike.
  std::vector<uint64_t> keep_;
  std::vector<uint32_t> alias_;
};

}  // namespace ringload
