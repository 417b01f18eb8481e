// Looks with the eyes of the user who runs it, who should be the one the server runs as.
#include "server/config/check.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "common/cli/mistakes.h"
#include "common/net/owned_fd.h"
#include "server/config/assemble.h"
#include "server/config/summary.h"

namespace ringserve::config {
namespace {

// "ENOENT (No such file or directory)"
std::string because(int error) { return net::Error{"", error, ""}.message().substr(2); }

// The world outside of the file: directories, pages, the log's place.
class LookAround {
 public:
  LookAround(const Assembled& assembled, Mistakes& mistakes)
      : assembled_(assembled), mistakes_(mistakes) {}

  void run() {
    for (size_t i = 0; i < assembled_.sites.size(); ++i) {
      look_at_site(assembled_.options.sites[i], assembled_.sites[i]);
    }
    if (assembled_.options.access_log_format != LogFormat::off) look_at_log();
  }

 private:
  void look_at_site(const SiteConfig& site, const Places& places) {
    if (site.root.empty()) return;
    const net::OwnedFd root(::open(site.root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!root.valid()) {
      mistakes_.push_back({place_of(places, "root"),
                           fmt::format("root: directory {}: {}", site.root, because(errno))});
      return;
    }
    for (size_t i = 0; i < site.error_pages.size(); ++i) {
      look_at_page(root.get(), "error-page", site.error_pages[i].path,
                   place_of(places, "error-page", i));
    }
    if (!site.fallback.empty()) {
      look_at_page(root.get(), "fallback", site.fallback, place_of(places, "fallback"));
    }
  }

  // Only a warning: it may be put there while the server runs.
  void look_at_page(int root, std::string_view name, const std::string& path, Place place) {
    struct stat facts {};
    std::string why;
    if (::fstatat(root, path.c_str(), &facts, 0) < 0) {
      why = because(errno);
    } else if (!S_ISREG(facts.st_mode)) {
      why = "not a file";
    } else {
      return;
    }
    mistakes_.push_back({place, fmt::format("{}: {} below the root: {}", name, path, why), true});
  }

  void look_at_log() {
    const std::string& path = assembled_.options.access_log_path;
    if (path == "-") return;
    struct stat facts {};
    if (::stat(path.c_str(), &facts) == 0) {
      if (S_ISDIR(facts.st_mode)) return complain_about_log(path, because(EISDIR));
      if (::faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) < 0) {
        complain_about_log(path, because(errno));
      }
      return;
    }
    const size_t slash = path.rfind('/');
    std::string directory = slash == std::string::npos ? "." : path.substr(0, slash);
    if (directory.empty()) directory = "/";
    if (::faccessat(AT_FDCWD, (directory + "/.").c_str(), W_OK | X_OK, AT_EACCESS) < 0) {
      complain_about_log("directory " + directory, because(errno));
    }
  }

  void complain_about_log(std::string_view what, std::string_view why) {
    mistakes_.push_back(
        {place_of(assembled_.places, "access-log"), fmt::format("access-log: {}: {}", what, why)});
  }

  const Assembled& assembled_;
  Mistakes& mistakes_;
};

std::string counted(size_t number, std::string_view what) {
  return fmt::format("{} {}{}", number, what, number == 1 ? "" : "s");
}

}  // namespace

int check(int argc, char** argv) {
  CLI::App app(
      "Explains the mistakes of a configuration file, as `ringserve --config FILE` would\n"
      "read it, and looks whether the directories it names are there. Exit status: 0, or "
      "2\nwhere there are mistakes.",
      "ringserve check");
  std::string path;
  app.add_option("FILE", path, "The configuration file")->required()->option_text(" ");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return cli::report(app, error);
  }
  if (path.empty()) return cli::report_usage_error(app.get_name(), "FILE is empty");
  Mistakes mistakes;
  const Loaded loaded = load({}, path, mistakes);
  require_roots(loaded, mistakes);
  LookAround(loaded.assembled, mistakes).run();
  fmt::print(stderr, "{}", explain(mistakes, path, loaded.document->text));
  const size_t errors = count_errors(mistakes);
  const size_t warnings = mistakes.size() - errors;
  if (errors > 0) {
    fmt::print(stderr, "{}: {}, {}\n", path, counted(errors, "error"),
               counted(warnings, "warning"));
    return cli::kExitUsage;
  }
  fmt::print("{}", summary(path, loaded.assembled.options));
  if (std::fflush(stdout) == 0) return 0;
  fmt::print(stderr, "ringserve check: error: stdout: {}\n", net::errno_name(errno));
  return 1;
}

}  // namespace ringserve::config
