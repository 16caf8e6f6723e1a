// The threads that compute one operator together: whoever is free takes the next piece.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

namespace fastptm::gpu::host {

// for_each() is called by one thread, the leader, which works along. Helpers look for work for a short while after the
// last piece, because an encoder's operators follow each other closely, then sleep: an idle device costs nothing. A
// helper that the system does not schedule delays nobody but the piece it holds.
class thread_team {
public:
  // `size` threads, the leader included. Requires: size >= 1.
  explicit thread_team(unsigned size);
  ~thread_team();
  thread_team(const thread_team&) = delete;
  thread_team& operator=(const thread_team&) = delete;

  unsigned size() const { return static_cast<unsigned>(helpers_.size()) + 1; }

  // body(piece, member) for every piece in [0, count), in any order; member in [0, size()) says who runs it, for
  // scratch memory. Returns when all are done. Does not allocate.
  template <class Body> void for_each(uint32_t count, const Body& body) {
    run({[](const void* context, uint32_t piece, unsigned member) {
           (*static_cast<const Body*>(context))(piece, member);
         },
         &body, count});
  }

private:
  struct job {
    void (*call)(const void* context, uint32_t piece, unsigned member) = nullptr;
    const void* context = nullptr;
    uint32_t count = 0;
  };
  void run(const job& work);
  bool take_one(unsigned member);
  void help(unsigned member);

  // pieces_left_ is the only way to a piece: whoever lowers it by one owns that piece, and the job cannot end, nor job_
  // change, before done_ has counted it.
  job job_;
  alignas(64) std::atomic<uint32_t> pieces_left_{0};
  alignas(64) std::atomic<uint32_t> done_{0};
  alignas(64) std::atomic<uint32_t> jobs_posted_{0}; // what sleeping helpers wait for
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> helpers_;
};

} // namespace fastptm::gpu::host
