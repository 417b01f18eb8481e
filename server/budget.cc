// What is fixed comes first, then the cached files get their share, then connections get the rest.
#include "server/budget.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "server/admin/admin.h"
#include "server/listing/lister.h"

namespace ringserve {
namespace {

// Descriptors that are neither connections nor cached files.
constexpr uint64_t kDescriptorsFixed = 20;  // stdio, signals, libraries, the log, a successor
constexpr uint64_t kDescriptorsOfAdmin = 16 + admin::Admin::kConnectionsMax;
constexpr uint64_t kDescriptorsPerWorker = 10;  // ring, eventfd, files being opened
constexpr uint64_t kDescriptorsPerSite = 2;     // of each worker: root, inotify
constexpr unsigned kPipesPerWorkerMax = 32;
constexpr unsigned kPipesMax = 48;  // of 1 MiB: fs.pipe-user-pages-soft allows a user 64 MiB
constexpr uint64_t kOpenFilesMin = 8;
constexpr uint64_t kOpenFilesDefaultMax = 65536;
// The table takes 8 bytes a descriptor, of the kernel's memory.
constexpr uint64_t kReadyDescriptorsMax = 65536;

}  // namespace

net::Result<Budget> share_descriptors(const Options& options, uint64_t listeners) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) return net::fail("getrlimit RLIMIT_NOFILE", errno);
  if (limit.rlim_cur != limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &limit) < 0) return net::fail("setrlimit RLIMIT_NOFILE", errno);
  }
  const uint64_t total = std::min<uint64_t>(limit.rlim_max, uint64_t{1} << 30);
  Budget budget;
  budget.pipes_per_worker = static_cast<unsigned>(std::clamp<uint64_t>(
      std::min<uint64_t>(total / 16, kPipesMax) / options.threads, 1, kPipesPerWorkerMax));
  const bool lists = std::any_of(options.sites.begin(), options.sites.end(),
                                 [](const config::SiteConfig& site) { return site.autoindex; });
  const uint64_t per_worker = kDescriptorsPerWorker + kDescriptorsPerSite * options.sites.size() +
                              2 * budget.pipes_per_worker;
  const uint64_t reserve = kDescriptorsFixed + (options.admin.empty() ? 0 : kDescriptorsOfAdmin) +
                           (lists ? listing::Lister::kDescriptorsMax : 0) +
                           options.threads * per_worker + 2 * listeners +
                           options.threads * options.listen.size();  // those that are shared
  const uint64_t rest = total > reserve ? total - reserve : 0;
  const uint64_t files_min = kOpenFilesMin * options.threads;
  budget.open_files = options.open_files;
  if (budget.open_files == 0) {
    const uint64_t share = std::min(rest * 2 / 5, kOpenFilesDefaultMax);
    const uint64_t spare = rest > options.max_connections ? rest - options.max_connections : 0;
    budget.open_files = std::max(files_min, std::min(share, spare));
  }
  const uint64_t left = rest > budget.open_files ? rest - budget.open_files : 0;
  budget.max_connections = options.max_connections != 0 ? options.max_connections : left;
  if (budget.max_connections == 0 || budget.max_connections > left) {
    return net::fail(
        fmt::format("RLIMIT_NOFILE is {}, but {} connections, {} cached files and {} descriptors "
                    "for {} threads need {}",
                    total, std::max<uint64_t>(budget.max_connections, 1), budget.open_files,
                    reserve, options.threads,
                    reserve + budget.open_files + std::max<uint64_t>(budget.max_connections, 1)),
        0, "raise the hard limit (ulimit -Hn), or lower --max-connections or --open-files");
  }
  return budget;
}

void make_room_for_descriptors(const Budget& budget) {
  const uint64_t wanted =
      std::min(budget.max_connections + budget.open_files, kReadyDescriptorsMax);
  const int last = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, static_cast<int>(wanted) - 1);
  if (last >= 0) {
    ::close(last);  // the table stays as it is
  } else {
    spdlog::warn(
        "fcntl(F_DUPFD) of descriptor {}: {}: requests may wait some milliseconds when the "
        "kernel makes room for more",
        wanted - 1, net::errno_name(errno));
  }
}

}  // namespace ringserve
