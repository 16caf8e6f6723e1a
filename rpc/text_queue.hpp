// The tokenizers' thread, shared fairly: whose text is read next, and which are not read at all.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>

#include <kj/async.h>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "policy/fairness.hpp"
#include "rpc/helper_thread.hpp"

namespace fastptm::rpc {

// What is to be done for whom, and until when it is of use.
struct text_errand {
  std::string tenant;
  uint64_t bytes = 0;            // what its work is measured by
  core::time_us deadline_us = 0; // core::monotonic_now_us; later it is refused without work
};

// On the KJ thread. One piece of work is on the thread at a time; the next is one of the tenant that has had the least.
class text_queue {
public:
  explicit text_queue(uint64_t most_bytes) : most_bytes_(most_bytes) {}

  // The result of `work` on the thread, a core::result. quota_exceeded: too many bytes of the tenant wait already;
  // deadline_exceeded. Dropping the promise takes the errand out; one that runs already is waited for.
  template <class Work> auto run(text_errand what, Work work) {
    using outcome = std::invoke_result_t<Work>;
    return turn(std::move(what)).then([this, work = std::move(work)](turn_reply got) mutable -> kj::Promise<outcome> {
      // Not as a ready value: g++ 12 warns falsely about results inside of it.
      if (!got.allowed)
        return kj::Promise<void>(kj::READY_NOW).then([why = got.allowed.error()] { return outcome(core::fail(why)); });
      return thread_.run(std::move(work)).attach(std::move(got.hold));
    });
  }

private:
  class waiter;
  // The thread is the holder's until this is destroyed.
  class thread_hold {
  public:
    explicit thread_hold(text_queue& of) : of_(&of) {}
    thread_hold(thread_hold&& from) noexcept : of_(std::exchange(from.of_, nullptr)) {}
    thread_hold& operator=(thread_hold&&) = delete;
    ~thread_hold();

  private:
    text_queue* of_;
  };
  struct turn_reply {
    core::result<void> allowed;
    kj::Maybe<kj::Own<thread_hold>> hold;
  };
  struct line {
    policy::tenant_index index;
    std::list<waiter*> waiting;
    uint64_t bytes = 0;
  };

  kj::Promise<turn_reply> turn(text_errand what);
  line& line_of(const std::string& tenant);
  void go_on();

  const uint64_t most_bytes_;
  std::map<std::string, line> lines_;
  std::vector<line*> by_index_;
  policy::fairness fairness_{0};
  bool is_busy_ = false;
  helper_thread thread_;
};

} // namespace fastptm::rpc
