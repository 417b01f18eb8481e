// Holds many idle keep-alive connections, each having done one request, so that the server's
// memory per connection can be read. Before that it warms the server: requests over connections
// that it then closes. After each phase it prints one word and waits for a line on stdin, so the
// reader decides when to look.
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/programs/discarding_client.h"

namespace {

constexpr int kWarmConnections = 500;
constexpr int kWarmRequestsPerConnection = 10;
constexpr rlim_t kSpareDescriptors = 64;

void raise_descriptor_limit(rlim_t needed) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_max < needed) {
    throw std::runtime_error("RLIMIT_NOFILE: the hard limit is " + std::to_string(limit.rlim_max) +
                             ", needed are " + std::to_string(needed));
  }
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

std::vector<bench::DiscardingClient> open(char** where, int count, int requests_each) {
  const auto port = static_cast<std::uint16_t>(std::atoi(where[1]));
  std::vector<bench::DiscardingClient> clients;
  clients.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    clients.emplace_back(where[0], port);
    for (int request = 0; request < requests_each; ++request) clients.back().get(where[2]);
  }
  return clients;
}

void say_and_wait(const char* word) {
  std::puts(word);
  std::fflush(stdout);
  while (std::getchar() != '\n' && !std::feof(stdin)) {
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: bench_idle IPV4-ADDRESS PORT PATH CONNECTIONS\n");
    return 2;
  }
  try {
    const int count = std::atoi(argv[4]);
    raise_descriptor_limit(static_cast<rlim_t>(count) + kSpareDescriptors);
    open(argv + 1, kWarmConnections, kWarmRequestsPerConnection);
    say_and_wait("warm");
    const auto idle = open(argv + 1, count, 1);
    say_and_wait("idle");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_idle: %s\n", error.what());
    return 1;
  }
  return 0;
}
