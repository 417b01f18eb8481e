// ringload: command line, then run.cc. The loop that loads is in engine/worker.cc.
#include "client/load/options.h"
#include "client/load/outputs.h"
#include "client/load/run.h"
#include "client/load/sockets/ports_command.h"

int main(int argc, char** argv) {
  using namespace ringload;
  int exit_status = 0;
  const auto command = parse_command(argc, argv, exit_status);
  if (!command) return exit_status;
  if (const auto* ports = std::get_if<PortsCommand>(&*command))
    return show_ports(ports->to, stdout);
  if (const auto* merge = std::get_if<MergeCommand>(&*command)) return run_merge(*merge);
  return run(std::get<Plan>(*command));
}
