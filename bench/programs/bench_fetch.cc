// Fetches one file many times over one keep-alive connection and discards it. Every byte count
// is checked against Content-Length; what is printed is for scripts.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "bench/programs/discarding_client.h"

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: bench_fetch IPV4-ADDRESS PORT PATH COUNT\n");
    return 2;
  }
  try {
    bench::DiscardingClient client(argv[1], static_cast<std::uint16_t>(std::atoi(argv[2])));
    const long count = std::atol(argv[4]);
    std::uint64_t bytes = 0;
    const auto start = std::chrono::steady_clock::now();
    for (long i = 0; i < count; ++i) bytes += client.get(argv[3]).body_bytes;
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    std::printf("requests=%ld bytes=%llu seconds=%.6f\n", count,
                static_cast<unsigned long long>(bytes), elapsed.count());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_fetch: %s: %s\n", argv[3], error.what());
    return 1;
  }
  return 0;
}
