// Written, synced and closed before the first parameter is touched.
#include "client/tune/apply/undo_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "common/net/owned_fd.h"

namespace ringtune {
namespace {

net::Status write_all(const net::OwnedFd& file, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t written = ::write(file.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return net::fail(fmt::format("write {}", path), errno);
    text.remove_prefix(static_cast<size_t>(written));
  }
  if (::fsync(file.get()) < 0 && errno != EINVAL && errno != EROFS) {
    return net::fail(fmt::format("fsync {}", path), errno);
  }
  return {};
}

}  // namespace

net::Status write_undo_file(const std::string& path, const std::string& applied_file,
                            const std::vector<Comparison>& changes) {
  std::string text = fmt::format(
      "# What was there before `ringtune apply {}`. To go back:\n"
      "#   ringtune apply --anyway {}\n",
      applied_file, path);
  for (const Comparison& change : changes) {
    text += fmt::format("{} = {}\n", change.wanted.name, change.present);
  }
  const net::OwnedFd file(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!file.valid()) {
    const int error = errno;
    return net::fail(fmt::format("create {}", path), error,
                     error == EEXIST ? "it holds the way back of an earlier apply: move it away, "
                                       "or name another by --undo"
                                     : "name another by --undo");
  }
  auto status = write_all(file, text, path);
  if (!status) (void)::unlink(path.c_str());  // half a way back is none
  return status;
}

}  // namespace ringtune
