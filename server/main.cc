// ringserve: command line, then server.cc. The loop that serves is in worker.cc.
#include "server/options.h"
#include "server/server.h"

int main(int argc, char** argv) {
  ringserve::Options options;
  int exit_status = 0;
  if (!ringserve::parse_options(argc, argv, options, exit_status)) return exit_status;
  return ringserve::serve(options, argv);
}
