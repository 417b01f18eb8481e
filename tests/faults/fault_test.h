// The fixture of the injected faults: the real server with the library of preload/ before the
// others, and verbs that make its calls fail while it runs.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/faults/preload/plan.h"
#include "tests/support/server_test.h"

namespace faults {

struct Fault {
  Call call;
  int error;                // an errno, or kShortCount
  std::uint32_t times = 1;  // or kAlways
};

// The plan in memory, and the environment that a server finds it by.
class Injection {
 public:
  explicit Injection(std::string path);  // of a file to be made
  ~Injection();
  Injection(const Injection&) = delete;
  Injection& operator=(const Injection&) = delete;

  Plan& plan() { return *plan_; }
  void inject(const Fault& fault);
  void calm();                           // nothing fails from now on
  std::uint64_t hits(Call call) const;   // since it was injected
  std::uint64_t calls(Call call) const;  // since the server was started
  // False when it was not hit before the deadline.
  bool wait_for_hit(Call call) const;

  // For servers started by this process from now on, until the object ends.
  void preload();

 private:
  std::string path_;
  Plan* plan_ = nullptr;
};

class FaultTest : public support::ServerTest {
 protected:
  Injection& faults() { return injection_; }
  support::ServerProcess& serve_with_faults(support::ServerSpec spec);
  support::ServerProcess& serve_with_faults(std::vector<std::string> options) {
    return serve_with_faults({.root = "", .options = std::move(options)});
  }

  // Not every file system announces its changes: then the server makes no call for that.
  bool server_watches_files();

  // The server is left with no socket of a client, and no more than so many descriptors above what
  // it had at first: those of files it keeps open.
  void note_descriptors();
  void expect_descriptors_are_back(std::size_t kept_max);

 private:
  Injection injection_{tree().beside("fault-plan")};
  std::size_t descriptors_ = 0;
  std::size_t sockets_ = 0;
};

}  // namespace faults
