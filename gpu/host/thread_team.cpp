// Pieces by countdown, helpers that spin briefly and then sleep; see thread_team.hpp.
#include "gpu/host/thread_team.hpp"

#include <emmintrin.h>

#include "core/check.hpp"

namespace fastptm::gpu::host {

namespace {
// About 50 us: longer than the gaps between operators, shorter than anyone notices.
constexpr int spins_before_sleep = 2000;
} // namespace

thread_team::thread_team(unsigned size) {
  core::check(size >= 1, "a team has a leader");
  helpers_.reserve(size - 1);
  for (unsigned member = 1; member < size; ++member) helpers_.emplace_back([this, member] { help(member); });
}

thread_team::~thread_team() {
  stopping_.store(true);
  jobs_posted_.fetch_add(1);
  jobs_posted_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
}

void thread_team::run(const job& work) {
  if (helpers_.empty() || work.count <= 1) {
    for (uint32_t piece = 0; piece < work.count; ++piece) work.call(work.context, piece, 0);
    return;
  }
  job_ = work;
  done_.store(0, std::memory_order_relaxed);
  pieces_left_.store(work.count, std::memory_order_release);
  jobs_posted_.fetch_add(1);
  jobs_posted_.notify_all();
  while (take_one(0)) {
  }
  for (int spin = 0; done_.load(std::memory_order_acquire) < work.count; ++spin) {
    if (spin < spins_before_sleep)
      _mm_pause();
    else
      std::this_thread::yield(); // a helper lost its processor in the middle of a piece
  }
}

bool thread_team::take_one(unsigned member) {
  uint32_t left = pieces_left_.load(std::memory_order_relaxed);
  do {
    if (left == 0) return false;
  } while (!pieces_left_.compare_exchange_weak(left, left - 1, std::memory_order_acquire, std::memory_order_relaxed));
  job_.call(job_.context, job_.count - left, member);
  done_.fetch_add(1, std::memory_order_release);
  return true;
}

void thread_team::help(unsigned member) {
  for (int spin = 0; !stopping_.load(std::memory_order_relaxed);) {
    if (take_one(member))
      spin = 0;
    else if (++spin < spins_before_sleep)
      _mm_pause();
    else {
      // A job posted after this line changes the number, one posted before it is seen by take_one().
      const uint32_t seen = jobs_posted_.load();
      if (stopping_.load() || take_one(member)) continue;
      jobs_posted_.wait(seen);
      spin = 0;
    }
  }
}

} // namespace fastptm::gpu::host
