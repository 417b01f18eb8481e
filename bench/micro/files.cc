// From a path to an open file: the cache by itself, a site's hot look-up, and what it would cost to
// ask the file system at every request what inotify tells once.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "bench/micro/machine.h"
#include "server/files/cache.h"
#include "server/files/site.h"

namespace micro {
namespace {

namespace files = ringserve::files;
namespace fs = std::filesystem;

// --- the cache ---

// Random, but the same ones every time: more than the CPU's caches hold of the larger cache.
constexpr size_t kPicks = 1 << 16;

std::string path_of(size_t index) {
  return "articles/" + std::to_string(index % 100) + "/page-" + std::to_string(index) + ".html";
}

// All entries share one File: what is measured is finding the entry.
std::unique_ptr<files::Cache> cache_of(size_t entries) {
  auto cache = std::make_unique<files::Cache>(entries, 0);
  const auto file = std::make_shared<files::File>();
  for (size_t i = 0; i < entries; ++i) cache->put(path_of(i), file);
  return cache;
}

void look_up(benchmark::State& state, size_t first_index, bool expected) {
  const auto entries = static_cast<size_t>(state.range(0));
  // Kept, since a million entries take long to make and every benchmark is called several times.
  static std::map<size_t, std::unique_ptr<files::Cache>> kept;
  auto& cache = kept[entries];
  if (cache == nullptr) cache = cache_of(entries);
  std::mt19937_64 random(1);
  std::vector<std::string> picks(kPicks);
  for (std::string& pick : picks) pick = path_of(first_index + random() % entries);
  size_t at = 0;
  for (auto _ : state) {
    const bool found = cache->find(picks[at++ % kPicks]) != nullptr;
    if (found != expected) [[unlikely]] {
      state.SkipWithError("the cache does not hold what was put into it");
      break;
    }
  }
}

void cache_hit(benchmark::State& state) { look_up(state, 0, true); }
void cache_miss(benchmark::State& state) {
  look_up(state, static_cast<size_t>(state.range(0)), false);
}
BENCHMARK(cache_hit)->Name("files/cache/hit")->ArgName("entries")->Arg(1000)->Arg(1'000'000);
BENCHMARK(cache_miss)->Name("files/cache/miss")->ArgName("entries")->Arg(1000)->Arg(1'000'000);

void cache_put_and_evict(benchmark::State& state) {
  const auto entries = static_cast<size_t>(state.range(0));
  const auto cache = cache_of(entries);
  const auto file = std::make_shared<files::File>();
  size_t next = entries;
  for (auto _ : state) cache->put(path_of(next++), file);
  if (cache->files() != entries) state.SkipWithError("the cache is larger than its limit");
}
BENCHMARK(cache_put_and_evict)
    ->Name("files/cache/put_and_evict")
    ->ArgName("entries")
    ->Arg(1000)
    ->Arg(1'000'000);

// --- a site ---

constexpr int64_t kNowMs = 1000;
constexpr size_t kBodyBytes = 1024;
// Younger files are not held in memory: Site::load_body(), kRacyChangeNs.
constexpr auto kOldEnough = std::chrono::milliseconds(2100);

// A directory of its own with one file at each depth, and one with precompressed neighbours,
// removed at the end of the program.
class Tree {
 public:
  static const Tree& shared() {
    static const Tree tree;
    return tree;
  }
  ~Tree() {
    std::error_code ignored;  // nobody is left to be told
    fs::remove_all(root_, ignored);
  }

  static constexpr const char* kPacked = "packed.html";

  const std::string& root() const { return root_; }
  static std::string file_at(int64_t depth) {
    std::string name;
    for (int64_t i = 1; i < depth; ++i) name += "directory/";
    return name + "page.html";
  }
  void wait_until_old_enough() const { std::this_thread::sleep_until(made_at_ + kOldEnough); }

 private:
  Tree() {
    std::string pattern = fs::temp_directory_path() / "ringserve_micro.XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) return;  // Site::open() will say so
    root_ = pattern;
    for (const int64_t depth : {1, 4}) {
      const fs::path file = fs::path(root_) / file_at(depth);
      fs::create_directories(file.parent_path());
      std::ofstream(file) << std::string(kBodyBytes, 'b');
    }
    for (const char* suffix : {"", ".br", ".zst", ".gz"}) {
      std::ofstream(root_ + '/' + kPacked + suffix) << std::string(kBodyBytes, 'b');
    }
    made_at_ = std::chrono::steady_clock::now();
  }

  std::string root_;
  std::chrono::steady_clock::time_point made_at_;
};

net::Result<std::unique_ptr<files::Site>> open_site(size_t memory_cache_bytes,
                                                    bool variants = false) {
  static const files::MediaTypes media_types;
  files::SiteOptions options;
  options.root = Tree::shared().root();
  options.memory_cache_bytes = memory_cache_bytes;
  options.memory_body_bytes_max = 64 * 1024;
  options.open_files_max = 16;
  if (variants) options.variant_suffixes = {".br", ".zst", ".gz"};
  options.media_types = &media_types;
  options.describe = [](const files::Appearance&) { return files::Description(); };
  return files::Site::open(std::move(options));
}

// Looks twice: the first look sets the watches, the second relies on them (Site::trust()).
net::Status warm(files::Site& site, const std::string& name) {
  files::Lookup lookup;
  for (int look = 0; look < 2; ++look) {
    site.find(name, kNowMs, lookup);
    // A name that nobody asked for yet: from here on the kernel knows that it is absent.
    while (lookup.outcome == files::Lookup::Outcome::wants_open) {
      const long fd = ::syscall(SYS_openat2, site.root_fd(), lookup.open_path.c_str(), &lookup.how,
                                sizeof lookup.how);
      site.opened(lookup, fd < 0 ? -errno : static_cast<int>(fd), kNowMs);
    }
    if (lookup.outcome != files::Lookup::Outcome::file) {
      return net::fail("look up " + name, lookup.error);
    }
  }
  return {};
}

// The whole hit of a request. With the body in memory the kernel is not asked at all; with the body
// in the file fstat(2) makes sure that it was not rewritten in place. The server's clock goes in
// milliseconds: `ticking` gives every request one of its own, `standing` the same one to all, as
// to requests that come together.
struct Hit {
  bool body_in_memory;
  bool ticking;
  bool packed = false;  // the file has three precompressed neighbours
};

void site_hit(benchmark::State& state, Hit hit) {
  constexpr int64_t kTicks = 400;  // within the time that an entry is trusted
  if (hit.body_in_memory) Tree::shared().wait_until_old_enough();
  auto site = open_site(hit.body_in_memory ? 1 << 20 : 0, hit.packed);
  if (!site) return skip(state, site.error());
  const std::string name = hit.packed ? Tree::kPacked : Tree::file_at(state.range(0));
  if (auto status = warm(**site, name); !status) return skip(state, status.error());
  const files::FileRef* file = (*site)->find_cached(name, kNowMs);
  if (file == nullptr || (*file)->body_in_memory != hit.body_in_memory) {
    return state.SkipWithError("the file is not held as this benchmark needs it");
  }
  int64_t tick = 0;
  for (auto _ : state) {
    if (hit.ticking && ++tick == kTicks) tick = 0;
    file = (*site)->find_cached(name, kNowMs + tick);
    if (file == nullptr) [[unlikely]] {
      state.SkipWithError("the entry is not trusted any more");
      break;
    }
  }
}
BENCHMARK_CAPTURE(site_hit, memory, Hit{true, true})
    ->Name("files/site/hit/body:memory/clock:ticking")
    ->ArgName("depth")
    ->Arg(1)
    ->Arg(4);
BENCHMARK_CAPTURE(site_hit, file, Hit{false, true})
    ->Name("files/site/hit/body:file/clock:ticking")
    ->ArgName("depth")
    ->Arg(1)
    ->Arg(4);
BENCHMARK_CAPTURE(site_hit, file_standing, Hit{false, false})
    ->Name("files/site/hit/body:file/clock:standing")
    ->ArgName("depth")
    ->Arg(1)
    ->Arg(4);

BENCHMARK_CAPTURE(site_hit, packed_memory, Hit{true, true, true})
    ->Name("files/site/hit/body:memory/clock:ticking/variants:3")
    ->ArgName("depth")
    ->Arg(1);
BENCHMARK_CAPTURE(site_hit, packed_file, Hit{false, true, true})
    ->Name("files/site/hit/body:file/clock:ticking/variants:3")
    ->ArgName("depth")
    ->Arg(1);

// What the server does when trust in a watched entry has run out: open, compare, watch again.
void look_again(benchmark::State& state, const std::string& name, bool variants) {
  auto site = open_site(0, variants);
  if (!site) return skip(state, site.error());
  if ((*site)->watch_fd() < 0) {
    return state.SkipWithError("inotify does not work on the file system of TMPDIR");
  }
  if (auto status = warm(**site, name); !status) return skip(state, status.error());
  files::Lookup lookup;
  for (auto _ : state) {
    (*site)->find(name, kNowMs, lookup);
    benchmark::DoNotOptimize(lookup.outcome);
  }
  if (lookup.outcome != files::Lookup::Outcome::file) state.SkipWithError("the file is gone");
}
void site_look_again(benchmark::State& state) {
  look_again(state, Tree::file_at(state.range(0)), false);
}
BENCHMARK(site_look_again)->Name("files/site/look_again")->ArgName("depth")->Arg(1)->Arg(4);

// With three neighbours to be looked for, none of which is there, or all.
void site_look_for_absent(benchmark::State& state) { look_again(state, Tree::file_at(1), true); }
void site_look_for_present(benchmark::State& state) { look_again(state, Tree::kPacked, true); }
BENCHMARK(site_look_for_absent)->Name("files/site/look_again/variants:absent");
BENCHMARK(site_look_for_present)->Name("files/site/look_again/variants:3");

// --- what asking at every request would cost ---

net::OwnedFd open_root() {
  return net::OwnedFd(::open(Tree::shared().root().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

void ask_statx(benchmark::State& state) {
  const net::OwnedFd root = open_root();
  const std::string name = Tree::file_at(state.range(0));
  for (auto _ : state) {
    struct statx facts {};
    if (::statx(root.get(), name.c_str(), AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &facts) < 0) {
      skip(state, {"statx " + name, errno, ""});
      break;
    }
    benchmark::DoNotOptimize(facts);
  }
}
BENCHMARK(ask_statx)->Name("files/ask/statx")->ArgName("depth")->Arg(1)->Arg(4);

void ask_openat2(benchmark::State& state) {
  const net::OwnedFd root = open_root();
  const std::string name = Tree::file_at(state.range(0));
  open_how how{};
  how.flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_CACHED;
  for (auto _ : state) {
    const net::OwnedFd file(
        static_cast<int>(::syscall(SYS_openat2, root.get(), name.c_str(), &how, sizeof how)));
    struct stat facts {};
    if (!file.valid() || ::fstat(file.get(), &facts) < 0) {
      skip(state, {"openat2 and fstat of " + name, errno, ""});
      break;
    }
    benchmark::DoNotOptimize(facts);
  }
}
BENCHMARK(ask_openat2)->Name("files/ask/openat2+fstat")->ArgName("depth")->Arg(1)->Arg(4);

void ask_fstat(benchmark::State& state) {
  const net::OwnedFd root = open_root();
  const std::string name = Tree::file_at(1);
  const net::OwnedFd file(::openat(root.get(), name.c_str(), O_RDONLY | O_CLOEXEC));
  for (auto _ : state) {
    struct stat facts {};
    if (::fstat(file.get(), &facts) < 0) {
      skip(state, {"fstat of " + name, errno, ""});
      break;
    }
    benchmark::DoNotOptimize(facts);
  }
}
BENCHMARK(ask_fstat)->Name("files/ask/fstat");

}  // namespace
}  // namespace micro
