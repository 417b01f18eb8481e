// Runs a fuzz target where libFuzzer is not (every preset but fuzz): over its corpus,
// then over random changes of it, the same ones each time. Takes libFuzzer's arguments as far as it
// has them. An input that ends the process, or keeps it busy, is written to a file first.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tests/fuzz/mutator.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

// A sanitizer that found something aborts, so that the input is kept.
// NOLINTBEGIN(bugprone-reserved-identifier)
extern "C" const char* __asan_default_options() { return "abort_on_error=1"; }
extern "C" const char* __ubsan_default_options() { return "abort_on_error=1"; }
extern "C" const char* __tsan_default_options() { return "abort_on_error=1:halt_on_error=1"; }
// NOLINTEND(bugprone-reserved-identifier)

namespace {

constexpr unsigned kInputSecondsMax = 60;  // one input; beyond, it is taken for an endless loop

#ifdef RINGSERVE_SANITIZED
constexpr std::array kDeadly = {SIGABRT, SIGALRM};  // the others belong to the sanitizer
#else
constexpr std::array kDeadly = {SIGABRT, SIGALRM, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
#endif

// For the signal handler: what is running, where it goes, and what is then said.
const std::string* g_input = nullptr;
std::string g_artifact, g_farewell;

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written <= 0) return;
    text.remove_prefix(static_cast<size_t>(written));
  }
}

extern "C" void keep_input(int signal) {
  if (g_input != nullptr) {
    const int fd = ::open(g_artifact.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd >= 0) write_all(fd, *g_input);
    write_all(STDERR_FILENO, signal == SIGALRM ? "\nan input takes too long" : "");
    write_all(STDERR_FILENO, fd >= 0 ? g_farewell : "\nthe input could not be kept\n");
  }
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

struct Arguments {
  uint64_t runs = 0;  // mutated inputs after the corpus
  uint64_t seed = 1;
  std::string artifact_prefix = "./";
  std::vector<std::string> words;
  std::vector<std::string> inputs;  // the corpus, in the order of its names
};

std::string content_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(in), {}};
}

uint64_t number_of(std::string_view argument, std::string_view value) {
  uint64_t number = 0;
  const char* end = value.data() + value.size();
  if (const auto [at, error] = std::from_chars(value.data(), end, number);
      error != std::errc() || at != end) {
    throw std::runtime_error(fmt::format("{}: a number is wanted", argument));
  }
  return number;
}

void add_inputs(const std::string& path, std::vector<std::string>& inputs) {
  std::vector<std::filesystem::path> files = {path};
  if (std::filesystem::is_directory(path)) {
    files.clear();
    for (const auto& entry : std::filesystem::directory_iterator(path)) {
      files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
  }
  for (const auto& file : files) inputs.push_back(content_of(file));
}

Arguments parse_arguments(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument(argv[i]);
    const size_t equals = argument.find('=');
    const std::string_view name = argument.substr(0, equals);
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view() : argument.substr(equals + 1);
    if (argument.empty() || argument.front() != '-') {
      add_inputs(std::string(argument), arguments.inputs);
    } else if (name == "-runs") {
      arguments.runs = number_of(argument, value);
    } else if (name == "-seed") {
      arguments.seed = number_of(argument, value);
    } else if (name == "-dict") {
      arguments.words = fuzz::parse_dictionary(content_of(value));
    } else if (name == "-artifact_prefix") {
      arguments.artifact_prefix = value;
    } else {
      throw std::runtime_error(fmt::format(
          "{}: unknown; known: -runs=N -seed=N -dict=FILE -artifact_prefix=DIR/ FILE|DIR...",
          argument));
    }
  }
  if (arguments.inputs.empty()) throw std::runtime_error("no input: name a file or a directory");
  return arguments;
}

void run_one(const std::string& input) {
  g_input = &input;
  ::alarm(kInputSecondsMax);
  // A copy of exactly its size, for AddressSanitizer.
  const std::vector<uint8_t> bytes(input.begin(), input.end());
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  ::alarm(0);
  g_input = nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  try {
    arguments = parse_arguments(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}: {}\n", argv[0], error.what());
    return 2;
  }
  g_artifact = arguments.artifact_prefix + "crash";
  g_farewell = fmt::format("\nthe input is kept; again: {} {}\n", argv[0], g_artifact);
  for (const int signal : kDeadly) ::signal(signal, keep_input);
  for (const std::string& input : arguments.inputs) run_one(input);
  fuzz::Mutator mutator(arguments.seed, arguments.inputs, arguments.words);
  for (uint64_t run = 0; run < arguments.runs; ++run) run_one(mutator.next());
  fmt::print("{} inputs of the corpus and {} made from them: nothing found\n",
             arguments.inputs.size(), arguments.runs);
}
