// epoll's calls.
#include "transport/sockets/poller.hpp"

#include <array>

#include <sys/epoll.h>
#include <unistd.h>

#include "core/check.hpp"

namespace fastptm::transport::sockets {

namespace {

constexpr size_t events_at_once = 64;

epoll_event interest(uint64_t number, bool reads, bool writes) {
  epoll_event out{};
  out.events = (reads ? EPOLLIN : 0u) | (writes ? EPOLLOUT : 0u);
  out.data.u64 = number;
  return out;
}

} // namespace

poller::poller() : file_(epoll_create1(EPOLL_CLOEXEC)) {
  core::check(file_ >= 0, "an epoll file can be made");
  events_.reserve(events_at_once);
}

poller::~poller() {
  close(file_);
}

bool poller::add(int socket, uint64_t number, bool reads, bool writes) {
  auto wanted = interest(number, reads, writes);
  return epoll_ctl(file_, EPOLL_CTL_ADD, socket, &wanted) == 0;
}

void poller::change(int socket, uint64_t number, bool reads, bool writes) {
  auto wanted = interest(number, reads, writes);
  core::check(epoll_ctl(file_, EPOLL_CTL_MOD, socket, &wanted) == 0, "what is changed was added");
}

const std::vector<event>& poller::now() {
  std::array<epoll_event, events_at_once> found;
  const int count = epoll_wait(file_, found.data(), static_cast<int>(found.size()), 0);
  events_.clear();
  for (int i = 0; i < count; ++i) {
    const auto& one = found[static_cast<size_t>(i)];
    // An error or an end shows when the socket is read.
    const bool ended = one.events & (EPOLLERR | EPOLLHUP);
    events_.push_back({one.data.u64, ended || (one.events & EPOLLIN) != 0, (one.events & EPOLLOUT) != 0});
  }
  return events_;
}

} // namespace fastptm::transport::sockets
