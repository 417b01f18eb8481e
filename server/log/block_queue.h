// Lines on their way from the one thread that makes them to the one that writes them, in a bounded
// number of blocks of memory: no lock, no system call, and one plain store for many lines. A line
// never crosses the end of a block.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace ringserve::log {

class BlockQueue {
 public:
  static constexpr size_t kBlockBytes = 256 * 1024;
  static constexpr uint64_t kBlocks = 4;

  BlockQueue();

  // The maker's side. Room for one line of at most `bytes_max`, or nullptr where there is none; it
  // stays the maker's until commit(), which says how long the line is.
  char* reserve(size_t bytes_max);
  void commit(size_t bytes) { used_ += static_cast<uint32_t>(bytes); }
  // Lets the other side see what was committed. True once for every block that has become full
  // since: time to wake it.
  bool publish();

  // The writer's side: whole lines, empty where nothing more was published, valid until consumed.
  std::string_view readable();
  void consume(size_t bytes) { consumed_ += static_cast<uint32_t>(bytes); }

 private:
  // How many bytes of the block are lines, times two, and one if there will be no more.
  struct Block {
    std::unique_ptr<char[]> bytes;
    std::atomic<uint32_t> published = 0;
  };
  static constexpr size_t kCacheLineBytes = 64;  // two threads write in the same one no faster

  Block& block(uint64_t number) { return blocks_[number % kBlocks]; }
  bool begin_next_block();

  std::array<Block, kBlocks> blocks_;
  // Of the maker. Blocks are numbered from 0 and never begin again.
  alignas(kCacheLineBytes) uint64_t filling_ = 0;
  uint32_t used_ = 0;       // bytes of that block
  uint32_t published_ = 0;  // of them
  bool block_completed_ = false;
  // Of the writer.
  alignas(kCacheLineBytes) uint64_t emptying_ = 0;
  uint32_t consumed_ = 0;              // bytes of that block
  std::atomic<uint64_t> emptied_ = 0;  // blocks before this one may be filled again
};

}  // namespace ringserve::log
