// Writes by position, so that the descriptor stands at the beginning for whoever reads it next.
#include "server/listing/memory_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include <cerrno>

namespace ringserve::listing {

int MemoryFile::create(const char* name_for_proc) {
  fd_.reset(::memfd_create(name_for_proc, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  return fd_.valid() ? 0 : errno;
}

int MemoryFile::append(std::string_view bytes) {
  hash(bytes);
  while (!bytes.empty()) {
    const ssize_t written =
        ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(size_bytes_));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return written < 0 ? errno : ENOSPC;
    bytes.remove_prefix(static_cast<size_t>(written));
    size_bytes_ += static_cast<uint64_t>(written);
  }
  return 0;
}

int MemoryFile::seal() {
  const int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
  return ::fcntl(fd_.get(), F_ADD_SEALS, seals) < 0 ? errno : 0;
}

// FNV-1a, 64 bits, with the length beside it. It tells two states of a directory apart; it need not
// withstand someone who seeks two listings with the same hash: who can name the files of a
// directory decides what its listing says anyway.
void MemoryFile::hash(std::string_view bytes) {
  constexpr uint64_t kPrime = 0x100000001B3;
  for (const char byte : bytes) {
    hash_ ^= static_cast<unsigned char>(byte);
    hash_ *= kPrime;
  }
}

std::string MemoryFile::etag() const { return fmt::format("\"{:x}-{:x}\"", hash_, size_bytes_); }

}  // namespace ringserve::listing
