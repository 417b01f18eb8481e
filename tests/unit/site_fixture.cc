// The verbs of site_fixture.h.
#include "tests/unit/site_fixture.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>

#include "tests/support/patience.h"

namespace ringserve::files {

std::string description_of(std::string_view name, std::string_view content_type, int variant,
                           bool has_variants) {
  return fmt::format("{} as {}, variant {} of {}", name, content_type, variant, has_variants);
}

SiteTest::SiteTest()
    : media_types_(MediaTypes().with({{"css", "text/css"}, {"html", "text/html"}}, "")) {
  options_.root = tree_.root();
  options_.open_files_max = 100;
  options_.media_types = &media_types_;
  options_.variant_suffixes = {".br", ".zst", ".gz"};
  options_.describe = [](const Appearance& seen) {
    return Description{
        description_of(seen.name, seen.content_type, seen.variant, seen.has_variants)};
  };
}

Site& SiteTest::site() {
  if (site_ == nullptr) {
    auto site = Site::open(options_);
    if (!site) throw std::runtime_error(site.error().message());
    site_ = std::move(*site);
  }
  return *site_;
}

// As the ring does, but at once.
void SiteTest::opening_to_end(Lookup& lookup) {
  while (lookup.outcome == Outcome::wants_open) {
    const long fd = ::syscall(SYS_openat2, site().root_fd(), lookup.to_open().c_str(), &lookup.how,
                              sizeof lookup.how);
    site().opened(lookup, fd < 0 ? -errno : static_cast<int>(fd), now_ms_);
  }
}

Lookup::Outcome SiteTest::look_up(std::string_view path) {
  site().find(path, now_ms_, lookup_);
  opening_to_end(lookup_);
  return lookup_.outcome;
}

FileRef SiteTest::file(std::string_view path) {
  if (const FileRef* cached = site().find_cached(path, now_ms_)) return *cached;
  return look_up(path) == Outcome::file ? lookup_.file : nullptr;
}

FileRef SiteTest::warm(std::string_view path) {
  file(path);
  file(path);
  EXPECT_TRUE(is_cached(path)) << path;
  return file(path);
}

void SiteTest::await_change() {
  pollfd watch{site().watch_fd(), POLLIN, 0};
  ASSERT_EQ(::poll(&watch, 1, support::Deadline().left_ms()), 1) << "nothing was announced";
  site().on_watch_events();
}

void SiteTest::modified_at(std::string_view name, timespec mtime) {
  const timespec times[2] = {{0, UTIME_OMIT}, mtime};
  ASSERT_EQ(::utimensat(AT_FDCWD, tree_.path(name).c_str(), times, 0), 0) << name;
}

std::string SiteTest::content_of(const File& file) {
  std::string content(file.size_bytes, '\0');
  EXPECT_EQ(::pread(file.fd.get(), content.data(), content.size(), 0),
            static_cast<ssize_t>(content.size()));
  return content;
}

void SiteVariants::write_all_forms(const std::string& name) {
  for (const char* suffix : {"", ".br", ".zst", ".gz"}) write_form(name + suffix);
}

void SiteVariants::write_form(const std::string& name, timespec mtime) {
  tree().write(name, "of " + name);
  modified_at(name, mtime);
}

SiteVariants::Suffixes SiteVariants::suffixes(std::string_view path) {
  const FileRef base = file(path);
  if (base == nullptr) return {"no file"};
  Suffixes found;
  for (size_t i = 0; i < base->variants.size(); ++i) {
    if (base->variants[i] != nullptr) found.insert(options().variant_suffixes[i]);
  }
  EXPECT_EQ(base->variants.empty(), found.empty()) << "empty where there is none";
  return found;
}

}  // namespace ringserve::files
