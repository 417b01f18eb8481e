// For the tests of the listings: a temporary directory to list, names that file systems allow and
// that pages must survive, and a listing as one string.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "common/net/owned_fd.h"
#include "server/http/target.h"
#include "server/listing/entry.h"

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    EXPECT_NE(::mkdtemp(path_.data()), nullptr);
    std::filesystem::create_directory(path_ + "/root");
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  std::string root() const { return path_ + "/root"; }
  std::string outside() const { return path_; }
  void write(const std::string& name, const std::string& bytes = {}) const {
    std::ofstream(root() + "/" + name) << bytes;
  }
  void directory(const std::string& name) const {
    std::filesystem::create_directories(root() + "/" + name);
  }
  void link(const std::string& name, const std::string& target) const {
    std::filesystem::create_symlink(target, root() + "/" + name);
  }
  // Empty files "0" to "count - 1", in few system calls.
  void write_many(size_t count) const {
    const net::OwnedFd root = open();
    for (size_t i = 0; i < count; ++i) {
      ASSERT_EQ(0, ::mknodat(root.get(), std::to_string(i).c_str(), S_IFREG | 0644, 0));
    }
  }
  net::OwnedFd open(const std::string& name = {}) const {
    return net::OwnedFd(::open((root() + "/" + name).c_str(), O_RDONLY | O_CLOEXEC));
  }

 private:
  // In memory where there is such a place: a hundred thousand files are made at once there.
  std::string path_ = std::string(::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp") +
                      "/ringserve-listing-XXXXXX";
};

inline const std::vector<std::string> kHostileNames{
    "javascript:alert(1)",
    "<script>alert(1)<",
    "\" onmouseover=\"alert(1)",
    "' onmouseover='alert(1)",
    "&lt;b&gt;",
    "a&amp;b",
    "with space",
    " around ",
    "new\nline",
    "tab\tulator",
    "per%cent",
    "%41",
    "%zz",
    "what?x=1",
    "hash#tag",
    "c:",
    "back\\slash",
    "...",
    "-rf",
    "*",
    "\x7f\x01",
    "ümläut",
    "\xe6\x97\xa5\xe6\x9c\xac",
    "right-\xe2\x80\xae-left",
    "\xff\xfe",
    "latin1-\xe9",
    "cut-\xe2\x82",
    "\xc0\xaf",
    "</bdi></a></table><h1>",
    "]}",
    std::string(255, '<'),
};

// Whether a client that resolves `reference` in the listing of the root asks for `name`, and for
// nothing else.
inline testing::AssertionResult leads_to(const std::string& reference, const std::string& name) {
  if (reference.compare(0, 2, "./") != 0) {
    return testing::AssertionFailure() << reference << " may be taken for a scheme";
  }
  if (reference.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-._~!$&'()*+,;=:@/%") != std::string::npos) {
    return testing::AssertionFailure() << reference << " is not a reference (RFC 3986)";
  }
  ringserve::http::Target target;
  const int status = ringserve::http::decode_target(reference.substr(1), target);
  if (status != 0) return testing::AssertionFailure() << reference << " is refused: " << status;
  if (target.path != name) return testing::AssertionFailure() << reference << " asks otherwise";
  return testing::AssertionSuccess();
}

inline ringserve::listing::Entry file_entry(std::string name, uint64_t size_bytes = 0) {
  return {std::move(name), false, size_bytes, 1'795'243'200};  // 2026-11-21T06:40:00Z
}
inline ringserve::listing::Entry directory_entry(std::string name) {
  return {std::move(name), true, 4096, 1'795'243'200};
}
