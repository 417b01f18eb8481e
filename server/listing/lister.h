// Directory listings, made by a thread of their own: reading a directory blocks, and a large one
// takes long. A listing is a file in memory (memfd_create(2)), so that it is sent like every other
// file, by every send path, with its length known, ranges and HEAD included. Listings are kept for
// a moment and shared by all who ask: whoever gets one must not write to it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/net/owned_fd.h"
#include "common/net/result.h"
#include "server/files/file.h"
#include "server/files/site.h"

namespace ringserve::listing {

enum class Format { html, json };

struct Wanted {
  std::string path;  // of the request, decoded, below the root, ending in a slash; "" the root
  std::string site;  // tells sites apart that have the same paths: their root
  Format format = Format::html;
  bool hidden = false;  // list names that begin with a dot
  // Links are listed with the size and date of what they lead to, unless that is nowhere or, with
  // `within`, not below `root`.
  files::FollowSymlinks follow_symlinks = files::FollowSymlinks::within;
  net::OwnedFd root;  // a duplicate of Site::root_fd(); needed for `within`: else no link is listed
};

struct Listing {
  files::FileRef file;  // null: `error`
  int error = 0;        // errno; EBUSY: too many are waiting, or too much is being sent
};

class Lister {
 public:
  static constexpr size_t kNamesMax = 100'000;  // of one directory; more are counted, not listed
  static constexpr size_t kWaitingMax = 256;    // further wishes are answered with EBUSY
  static constexpr size_t kKeptMax = 128;       // listings
  // Of descriptors: a listing has one, a wish its directory's and its root's, and what is being
  // made some more.
  static constexpr size_t kDescriptorsMax = kKeptMax + 2 * kWaitingMax + 8;
  static constexpr int64_t kKeptMs = 1'000;
  // Of listings, all together, as long as that lets go of none that is being sent.
  static constexpr uint64_t kKeptBytesMax = 64 << 20;
  // While this much is being sent, by slow clients, none is made: EBUSY. So one more than this, of
  // kListingBytesMax, is the most there can be.
  static constexpr uint64_t kInUseBytesMax = 256 << 20;

  // `describe` makes the fields of a listing: given its format and its file. Called by the lister's
  // thread.
  using Describe = std::function<files::Description(const files::File&, Format)>;
  static net::Result<std::unique_ptr<Lister>> start(Describe describe);
  // Ends the thread; who still waits is answered with ECANCELED, by the thread, before this
  // returns.
  ~Lister();
  Lister(const Lister&) = delete;
  Lister& operator=(const Lister&) = delete;

  // From any thread; `done` is called once, by the lister's thread or, with EBUSY, at once. It must
  // not block. `directory`, just opened for reading, is taken over.
  void list(Wanted wanted, net::OwnedFd directory, std::function<void(Listing)> done);

 private:
  struct State;
  explicit Lister(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace ringserve::listing
