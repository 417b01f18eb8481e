// What comes to a worker from outside of its ring: letters of other threads, the end, changes of
// files, listings.
#include <fcntl.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

#include "common/check.h"
#include "server/operation.h"
#include "server/worker.h"

namespace ringserve {

void Worker::await_readable(int fd, uint64_t user_data) {
  io_uring_sqe* sqe = ring_->next_entry();
  io_uring_prep_poll_add(sqe, fd, POLLIN);
  io_uring_sqe_set_data64(sqe, user_data);
}

namespace {

// Which site of which state of the configuration.
uint64_t watch_of(const Sites& sites, size_t index) {
  return pack(Operation::watch,
              {static_cast<uint32_t>(index), sites.generation() & kGenerationMask});
}

}  // namespace

void Worker::watch_files() {
  Sites& sites = *services_->sites;
  for (size_t i = 0; i < sites.all().size(); ++i) {
    const int fd = sites.all()[i].files->watch_fd();
    if (fd >= 0) await_readable(fd, watch_of(sites, i));
  }
}

// Entries that name a descriptor must be with the kernel before it is closed.
void Worker::unwatch_files() {
  if (services_->sites == nullptr) return;
  Sites& sites = *services_->sites;
  for (size_t i = 0; i < sites.all().size(); ++i) {
    if (sites.all()[i].files->watch_fd() >= 0) {
      ring_->cancel(watch_of(sites, i), pack(Operation::ignored));
    }
  }
  ring_->submit_and_poll();
}

void Worker::on_watch(const io_uring_cqe& cqe) {
  Sites& sites = *services_->sites;
  const size_t index = slot_of(cqe.user_data).slot;
  if (cqe.user_data != watch_of(sites, index)) return;  // of sites that are gone
  // Whatever the poll said: the events are read, and without a poll they would never be again.
  files::Site& files = *sites.all()[index].files;
  files.on_watch_events();
  await_readable(files.watch_fd(), cqe.user_data);
}

size_t Worker::shed_descriptors() {
  size_t shed = 0;
  for (const ServedSite& site : services_->sites->all()) shed += site.files->shed_descriptors();
  return shed;
}

void Worker::post(Letter letter) {
  {
    const std::lock_guard lock(letters_mutex_);
    letters_.push_back(std::move(letter));
  }
  const uint64_t one = 1;
  // The counter of an eventfd cannot be full here: nobody writes that often.
  CHECK(::write(wake_.get(), &one, sizeof one) == sizeof one);
}

void Worker::request_drain(Drain how) {
  drain_requested_.store(true);
  post([how](Worker& worker) { worker.start_draining(how); });
}

void Worker::request_sign_of_life() {
  post([](Worker& worker) { worker.signs_of_life_.fetch_add(1); });
}

void Worker::request_reload(Settings settings) {
  post([settings = std::move(settings)](Worker& worker) {
    const auto status = worker.apply(settings);
    if (status) return;
    worker.services_->statistics.reload_failures.add();
    spdlog::error("SIGHUP: {}; a worker's running configuration stays", status.error().message());
  });
}

void Worker::on_wake() {
  uint64_t count = 0;
  if (::read(wake_.get(), &count, sizeof count) < 0 && errno != EAGAIN) {
    spdlog::error("read of the wake-up eventfd: {}", net::errno_name(errno));
  }
  std::vector<Letter> letters;
  {
    const std::lock_guard lock(letters_mutex_);
    letters.swap(letters_);
  }
  for (const Letter& letter : letters) letter(*this);
  await_readable(wake_.get(), pack(Operation::wake));
}

// The listing comes back as a letter; whoever asked may be gone by then.
void Worker::list(SlotId id, Search& search, listing::Format format) {
  const config::SiteConfig& site = search.site->rules->config;
  listing::Wanted wanted;
  wanted.path = search.lookup.path;
  wanted.site = site.root;
  wanted.format = format;
  wanted.hidden = site.hidden;
  wanted.follow_symlinks = site.follow_symlinks;
  // Without a root, where there is no descriptor left, links are not listed.
  wanted.root.reset(::fcntl(search.site->files->root_fd(), F_DUPFD_CLOEXEC, 0));
  config_.lister->list(std::move(wanted), std::move(search.lookup.directory),
                       [this, id](listing::Listing listing) {
                         post([id, listing](Worker& worker) { worker.on_listed(id, listing); });
                       });
}

void Worker::on_listed(SlotId id, const listing::Listing& listing) {
  Connection* connection = connections_.find(id);
  if (connection == nullptr) return;
  connection->on_listed(listing);
  forget_if_finished(*connection);
}

}  // namespace ringserve
