// The constructors that path.cc's table names; each path is described at the top of its file.
#pragma once

#include <memory>

#include "server/send/path.h"

namespace ringserve::send {

std::unique_ptr<Path> make_auto(PathContext& context);
std::unique_ptr<Path> make_read_write(PathContext& context);
std::unique_ptr<Path> make_writev(PathContext& context);
std::unique_ptr<Path> make_sendfile(PathContext& context);
std::unique_ptr<Path> make_splice(PathContext& context);
std::unique_ptr<Path> make_uring_send(PathContext& context);
std::unique_ptr<Path> make_uring_splice(PathContext& context);
std::unique_ptr<Path> make_send_zc(PathContext& context);

// One step of sendfile(2), and of splice(2), which is one of sendfile where no pipe is free.
Outcome sendfile_step(Transfer& transfer, uint64_t bytes_max, uint64_t& moved);
Outcome splice_step(PathContext& context, Transfer& transfer, uint64_t bytes_max, uint64_t& moved);
// Gives the transfer's pipe back to the pool, if it has one.
void release_pipe(PathContext& context, Transfer& transfer);

// Reads the next part of the transfer's file, at most `bytes_max`: done with `got` > 0, or done
// with 0 after a signal, failed, truncated.
Outcome read_file(const Transfer& transfer, char* buffer, uint64_t bytes_max, size_t& got);

// How large a copying path's buffer is.
constexpr uint32_t kCopyBufferBytes = 64 * 1024;

}  // namespace ringserve::send
