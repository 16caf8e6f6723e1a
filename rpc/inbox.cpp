// A vector behind a mutex, and an eventfd.
#include "rpc/inbox.hpp"

#include <cstdlib>
#include <utility>

#include <sys/eventfd.h>
#include <unistd.h>

#include "core/check.hpp"
#include "core/log.hpp"

namespace fastptm::rpc {

inbox::inbox() : wake_file_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  core::check(wake_file_ >= 0, "an event file can be had");
}

inbox::~inbox() {
  ::close(wake_file_);
}

void inbox::push(std::function<void()> work) {
  {
    const core::mutex_lock guard(mutex_);
    if (!open_) return;
    work_.push_back(std::move(work));
    if (work_.size() > 1) return; // the wake-up is on its way
  }
  const uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_file_, &one, sizeof one);
}

std::vector<std::function<void()>> inbox::take() {
  uint64_t count = 0;
  [[maybe_unused]] const auto got = ::read(wake_file_, &count, sizeof count);
  const core::mutex_lock guard(mutex_);
  return std::exchange(work_, {});
}

void inbox::close() {
  std::vector<std::function<void()>> dropped; // destroyed outside of the lock
  const core::mutex_lock guard(mutex_);
  open_ = false;
  dropped = std::exchange(work_, {});
}

inbox_reader::inbox_reader(kj::UnixEventPort& port, std::shared_ptr<inbox> from)
    : from_(std::move(from)), observer_(port, from_->wake_file_, kj::UnixEventPort::FdObserver::OBSERVE_READ),
      running_(run().eagerlyEvaluate([](kj::Exception&& exception) {
        core::log::error("rpc", "inbox-died", "{}", exception.getDescription().cStr());
        std::abort(); // no call would ever be answered
      })) {}

inbox_reader::~inbox_reader() {
  from_->close();
}

kj::Promise<void> inbox_reader::run() {
  for (auto& work : from_->take()) work();
  return observer_.whenBecomesReadable().then([this] { return run(); });
}

} // namespace fastptm::rpc
