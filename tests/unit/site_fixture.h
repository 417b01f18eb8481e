// A files::Site on a temporary tree, driven as a worker drives it: what it wants opened is opened,
// its clock is the test's, and changes of the tree are taken in when the test says so.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <ctime>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "server/files/site.h"
#include "tests/support/temp_tree.h"

namespace ringserve::files {

class SiteTest : public ::testing::Test {
 protected:
  using Outcome = Lookup::Outcome;

  SiteTest();
  support::TempTree& tree() { return tree_; }
  SiteOptions& options() { return options_; }  // before the first look-up

  Site& site();
  // What a request for the path gets: from the cache, else by a look-up to its end. Null if no
  // file.
  FileRef file(std::string_view path);
  // A look-up to its end, whatever the cache holds.
  Outcome look_up(std::string_view path);
  bool is_cached(std::string_view path) { return site().find_cached(path, now_ms_) != nullptr; }
  // Looks until the path is answered from the cache; the second look relies on the first's watches.
  FileRef warm(std::string_view path);
  Lookup& lookup() { return lookup_; }  // the last one

  int64_t now_ms() const { return now_ms_; }
  void pass_ms(int64_t duration_ms) { now_ms_ += duration_ms; }
  // Takes in what inotify tells; fails if it tells nothing.
  void await_change();
  bool is_watching() { return site().watch_fd() >= 0; }

  void modified_at(std::string_view name, timespec mtime);
  void opening_to_end(Lookup& lookup);
  static std::string content_of(const File& file);

 private:
  support::TempTree tree_;
  MediaTypes media_types_;
  SiteOptions options_;
  std::unique_ptr<Site> site_;
  Lookup lookup_;
  int64_t now_ms_ = 1000;
};

// What the test's describe() makes of an appearance.
std::string description_of(std::string_view name, std::string_view content_type, int variant,
                           bool has_variants);

// With precompressed neighbours in the tree.
class SiteVariants : public SiteTest {
 protected:
  using Suffixes = std::set<std::string>;
  static constexpr size_t kBr = 0, kZst = 1, kGz = 2;  // of SiteOptions::variant_suffixes
  static constexpr time_t kMtime_s = 1'700'000'000;

  // A file and its three neighbours, each with a content of its own, all of the same time.
  void write_all_forms(const std::string& name);
  void write_form(const std::string& name, timespec mtime = {kMtime_s, 0});
  // Those of the variants the path's file has.
  Suffixes suffixes(std::string_view path);
};

}  // namespace ringserve::files
