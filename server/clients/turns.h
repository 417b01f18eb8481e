// Whose turn it is where addresses share, and not connections (--fair-share): in each pass over the
// connections that want a turn, an address has one, whoever else wants one. One thread.
#pragma once

#include <unordered_set>

namespace ringserve::clients {

class Turns {
 public:
  void begin_pass() { had_one_.clear(); }
  // True for the first of an address in this pass, and for whoever has no address (null).
  bool take(const void* address) { return address == nullptr || had_one_.insert(address).second; }

 private:
  std::unordered_set<const void*> had_one_;
};

}  // namespace ringserve::clients
