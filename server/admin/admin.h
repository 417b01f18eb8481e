// The administrator's side: /metrics, /healthz, /status and what the page needs, on listeners and a
// thread of its own, so that it answers while the workers are busy and costs them nothing.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "common/net/owned_fd.h"
#include "common/net/result.h"
#include "server/admin/snapshot.h"

namespace ringserve::admin {

class Admin {
 public:
  // One more takes the place of the connection that has been idle longest; where none is idle it
  // waits in the accept queue. With the listeners, an eventfd and the few files that `take` reads
  // these are the descriptors this needs.
  static constexpr size_t kConnectionsMax = 64;

  // Serves on the listening sockets, which become non-blocking, until destroyed. `take` is called
  // by this thread alone, once a second and for requests, at most ten times a second in all; it may
  // read files of /proc but must not wait for a worker. The thread has all signals blocked. Fails
  // where there are no descriptors or threads left. A Unix socket's name stays for the caller to
  // remove.
  static net::Result<std::unique_ptr<Admin>> start(std::vector<net::OwnedFd> listeners,
                                                   std::function<Snapshot()> take);
  ~Admin();
  Admin(const Admin&) = delete;
  Admin& operator=(const Admin&) = delete;

 private:
  struct State;
  explicit Admin(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace ringserve::admin
