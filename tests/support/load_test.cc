// The fixture's verbs. It relies on LoadProcess for the verdict of the sanitizers.
#include "tests/support/load_test.h"

#include <iostream>

namespace support {

void LoadTest::TearDown() {
  ServerTest::TearDown();
  if (HasFailure()) std::cerr << notes_;
}

std::string LoadTest::url(std::string_view target) {
  const Endpoint& endpoint = server().endpoint();
  if (endpoint.family == AF_UNIX) return endpoint.text() + ":" + std::string(target);
  return "http://" + endpoint.authority() + std::string(target);
}

LoadRun LoadTest::load(std::vector<std::string> arguments, const Deadline& deadline) {
  return load_expecting(0, std::move(arguments), deadline);
}

LoadRun LoadTest::load_expecting(int exit_code, std::vector<std::string> arguments,
                                 const Deadline& deadline) {
  const LoadRun run = run_ringload(std::move(arguments), deadline);
  noted(run);
  EXPECT_EQ(run.status, (ExitStatus{exit_code, 0}));
  return run;
}

const LoadRun& LoadTest::noted(const LoadRun& run) {
  constexpr std::size_t kShown = 4000;
  notes_ += "--- ringload's stdout\n" + run.out.substr(0, kShown) + "--- its stderr\n" +
            run.err.substr(0, kShown) + "---\n";
  return run;
}

void expect_all_good(const LoadRun& run, std::uint64_t requests) {
  EXPECT_EQ(run.ended(), requests);
  EXPECT_EQ(run.status_count(200), requests);
  EXPECT_EQ(run.count("errors_total"), 0U) << run.json.at("errors");
  EXPECT_EQ(run.count("unanswered"), 0U);
  EXPECT_EQ(run.count("unsent"), 0U);
  EXPECT_EQ(run.count("connections.failed"), 0U);
}

}  // namespace support
