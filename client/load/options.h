// The command line of ringload, checked and resolved into a Plan.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "client/load/plan.h"

namespace ringload {

struct PortsCommand {  // ringload ports [--to ADDR:PORT]
  std::optional<net::Address> to;
};

struct MergeCommand {  // ringload merge A.json B.json ...
  std::vector<std::string> inputs;
  OutputFiles files;
  std::vector<Condition> fail_if;
  bool quiet = false;
};

using Command = std::variant<Plan, PortsCommand, MergeCommand>;

constexpr int kExitDone = 0;
constexpr int kExitFailed = 1;     // could not start, or nobody ever accepted a connection
constexpr int kExitUsage = 2;      // a mistake on the command line
constexpr int kExitCondition = 3;  // --stop-on or --fail-if
constexpr int kExitInterrupted = 130;

// Nothing, and the exit status in `exit_status`, after --help, --version, or a mistake; what they
// ask for has been printed then.
std::optional<Command> parse_command(int argc, char** argv, int& exit_status);

}  // namespace ringload
