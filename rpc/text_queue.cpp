// A line for each tenant; start-time fair queueing between them.
#include "rpc/text_queue.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace fastptm::rpc {

namespace {

// Reading a text costs something however short it is.
constexpr uint64_t least_bytes = 256;
// As fairness counts: tokenizers read about 15 MB/s on slow cores.
constexpr uint64_t bytes_per_us = 15;

} // namespace

// In its tenant's line as long as somebody waits for it.
class text_queue::waiter {
public:
  waiter(kj::PromiseFulfiller<turn_reply>& fulfiller, text_queue& queue, line& in, text_errand what)
      : fulfiller_(fulfiller), queue_(queue), line_(in), what_(std::move(what)) {
    at_ = line_.waiting.insert(line_.waiting.end(), this);
    line_.bytes += what_.bytes;
    queue_.fairness_.work_came(line_.index);
    queue_.go_on();
  }
  ~waiter() { leave(); }
  waiter(const waiter&) = delete;
  waiter& operator=(const waiter&) = delete;

  bool is_late(core::time_us now) const { return now >= what_.deadline_us; }
  uint64_t bytes() const { return what_.bytes; }
  void leave() {
    if (!std::exchange(waits_, false)) return;
    line_.waiting.erase(at_);
    line_.bytes -= what_.bytes;
    queue_.fairness_.work_left(line_.index);
  }
  void end(turn_reply how) {
    leave();
    fulfiller_.fulfill(std::move(how));
  }

private:
  kj::PromiseFulfiller<turn_reply>& fulfiller_;
  text_queue& queue_;
  line& line_;
  const text_errand what_;
  std::list<waiter*>::iterator at_;
  bool waits_ = true;
};

text_queue::thread_hold::~thread_hold() {
  if (of_ == nullptr) return;
  of_->is_busy_ = false;
  of_->go_on();
}

kj::Promise<text_queue::turn_reply> text_queue::turn(text_errand what) {
  auto& in = line_of(what.tenant);
  what.bytes = std::max(what.bytes, least_bytes);
  if (in.bytes + what.bytes > most_bytes_ && !in.waiting.empty())
    return turn_reply{core::fail(core::errc::quota_exceeded,
                                 fmt::format("{} KiB of texts of {} wait to be read, its limit: ask again later",
                                             in.bytes >> 10, what.tenant)),
                      nullptr};
  return kj::newAdaptedPromise<turn_reply, waiter>(*this, in, std::move(what));
}

text_queue::line& text_queue::line_of(const std::string& tenant) {
  const auto [found, added] = lines_.try_emplace(tenant);
  if (added) {
    found->second.index = {static_cast<uint32_t>(by_index_.size())};
    by_index_.push_back(&found->second);
  }
  return found->second;
}

void text_queue::go_on() {
  while (!is_busy_ && fairness_.with_work() > 0) {
    auto& next = *by_index_[fairness_.last().value];
    auto& first = *next.waiting.front();
    if (first.is_late(core::monotonic_now_us())) {
      first.end({core::fail(core::errc::deadline_exceeded,
                            "the deadline passed before the text was read: ask again or give it more time"),
                 nullptr});
      continue;
    }
    is_busy_ = true;
    fairness_.charge(next.index, static_cast<core::duration_us>(first.bytes() / bytes_per_us));
    first.end({{}, kj::heap<thread_hold>(*this)});
  }
}

} // namespace fastptm::rpc
