// Starts ringserve with --print-listen and reads the lines it prints when it is ready. It
// relies on that option alone: no port is chosen by a test, so tests never meet.
#include "tests/support/server_process.h"

#include <csignal>
#include <cstdlib>
#include <sstream>
#include <stdexcept>

namespace support {
namespace {

constexpr std::string_view kAnnouncement = "listening ";
constexpr std::string_view kAdminAnnouncement = "admin ";

std::vector<std::string> command_line(const ServerSpec& spec) {
  std::vector<std::string> arguments = spec.launcher;
  arguments.insert(arguments.end(), {ringserve_binary(), "--print-listen"});
  for (const std::string& listen : spec.listen) {
    arguments.insert(arguments.end(), {"--listen", listen});
  }
  arguments.insert(arguments.end(), spec.options.begin(), spec.options.end());
  arguments.push_back(spec.root);
  return arguments;
}

// Complete lines only: the last one may still be on its way.
std::vector<Endpoint> announced(const std::string& out,
                                std::string_view announcement = kAnnouncement) {
  std::vector<Endpoint> endpoints;
  std::istringstream lines(out.substr(0, out.rfind('\n') + 1));
  for (std::string line; std::getline(lines, line);) {
    if (line.compare(0, announcement.size(), announcement) != 0) continue;
    endpoints.push_back(Endpoint::parse(std::string_view(line).substr(announcement.size())));
  }
  return endpoints;
}

}  // namespace

std::string ringserve_binary() {
  const char* chosen = std::getenv("RINGSERVE_BINARY");
  return chosen != nullptr && *chosen != '\0' ? chosen : RINGSERVE_BINARY;
}

ServerProcess::ServerProcess(const ServerSpec& spec) : process_(command_line(spec), spec.setup) {
  const auto complete = [&](const std::string& out) {
    return announced(out).size() >= spec.listen.size();
  };
  if (!process_.out().wait_until(complete, Deadline())) {
    throw std::runtime_error("ringserve did not become ready.\nstdout: " + process_.out().text() +
                             "\nstderr: " + process_.err().text());
  }
  endpoints_ = announced(process_.out().text());
}

Endpoint ServerProcess::admin() {
  const auto complete = [](const std::string& out) {
    return !announced(out, kAdminAnnouncement).empty();
  };
  if (!process_.out().wait_until(complete, Deadline())) {
    throw std::runtime_error("no admin listener was announced.\nstdout: " + process_.out().text());
  }
  return announced(process_.out().text(), kAdminAnnouncement).front();
}

std::optional<ExitStatus> ServerProcess::stop() {
  signal(SIGTERM);
  return wait_for_exit();
}

bool ServerProcess::wait_for_log(const std::string& words) {
  return process_.err().wait_until(
      [&](const std::string& text) { return text.find(words) != std::string::npos; }, Deadline());
}

Finished run_ringserve(std::vector<std::string> arguments, const ChildSetup& setup) {
  arguments.insert(arguments.begin(), ringserve_binary());
  return run_to_exit(arguments, setup);
}

}  // namespace support
