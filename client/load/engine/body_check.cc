// mmap(2) instead of reading: files of any size, and only the pages that are compared.
#include "client/load/engine/body_check.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <charconv>

#include "common/net/owned_fd.h"

namespace ringload {
namespace {

std::string file_of(std::string_view path) {
  path = path.substr(0, path.find('?'));
  std::string file;
  for (size_t i = 0; i < path.size(); ++i) {
    unsigned byte = 0;
    const char* digits = path.data() + i + 1;
    if (path[i] == '%' && i + 2 < path.size() &&
        std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2) {
      file += static_cast<char>(byte);
      i += 2;
    } else {
      file += path[i];
    }
  }
  if (file.empty() || file.back() == '/') file += "index.html";
  return file;
}

}  // namespace

net::Result<std::unique_ptr<ExpectedBodies>> ExpectedBodies::open(
    const std::string& directory, const std::vector<std::string>& paths) {
  std::unique_ptr<ExpectedBodies> all(new ExpectedBodies);
  for (const std::string& path : paths) {
    if (auto mapped = all->map(directory + file_of(path)); !mapped) {
      return tl::unexpected(mapped.error());
    }
  }
  return all;
}

net::Status ExpectedBodies::map(const std::string& file) {
  const std::string advice = "--body verify:DIR names the directory that the server serves";
  const net::OwnedFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat facts {};
  if (!fd.valid() || ::fstat(fd.get(), &facts) < 0) {
    return net::fail(fmt::format("open '{}' to compare with", file), errno, advice);
  }
  if (!S_ISREG(facts.st_mode)) {
    return net::fail(fmt::format("'{}' to compare with is not a regular file", file), 0, advice);
  }
  const auto size = static_cast<size_t>(facts.st_size);
  if (size == 0) {
    bodies_.emplace_back();
    return {};
  }
  void* memory = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (memory == MAP_FAILED) return net::fail(fmt::format("mmap '{}'", file), errno);
  bodies_.emplace_back(static_cast<const char*>(memory), size);
  return {};
}

ExpectedBodies::~ExpectedBodies() {
  for (const std::string_view body : bodies_) {
    if (!body.empty()) ::munmap(const_cast<char*>(body.data()), body.size());
  }
}

}  // namespace ringload
