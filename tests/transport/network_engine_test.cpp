// Threads that ask while the pump starts and ends: the sanitizer of threads is this test's second half.
#include "transport/network_engine.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <latch>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include "core/descriptor.hpp"

namespace fastptm::transport {
namespace {

// A double: what is asked for comes at once and brings nothing. Ends as backends do: the pump first, then what is still
// being read.
class answering_at_once final : public network_engine {
public:
  explicit answering_at_once(int reads = 0)
      : network_engine(1000, false), event_(eventfd(0, EFD_CLOEXEC)), reads_left_(reads) {}
  ~answering_at_once() override {
    stop_pump();
    while (reads_left_ > 0) progress();
  }

  void start() {
    start_pump(1, "test-pump", [] {});
  }
  memory_reading way_back() { return reading(nullptr, nullptr); }

  bool progress() override { return carry_out_posted(); }
  unsigned spin_rounds() const override { return 0; }
  bool arm() override { return !has_posted(); }
  int event_file() const override { return event_.get(); }
  core::duration_us sleep_limit_us() const override { return 1'000'000; }

private:
  void begin(wanted_fetch what) override { what.done(fetched{}); }
  void give_up(fetch_id) override {}
  void leave(const std::string&, uint64_t) override {}
  void on_read(uint64_t, bool, std::optional<uint64_t>) override { --reads_left_; }

  core::descriptor event_;
  int reads_left_; // of the pump, and of whoever has stopped it
};

TEST(NetworkEngine, EndsEveryFetchOfThreadsThatAskWhileItStarts) {
  for (int round = 0; round < 50; ++round) {
    std::array<std::byte, 8> target{};
    std::atomic<int> ended{0};
    {
      answering_at_once engine;
      std::vector<std::thread> askers;
      for (int asker = 0; asker < 3; ++asker)
        askers.emplace_back([&] {
          const fetch_request wanted{{}, {target.data(), target.size(), core::memory_kind::host}, 1'000'000};
          for (int each = 0; each < 20; ++each)
            EXPECT_TRUE(engine.fetch({}, wanted, [&](core::result<fetched>) { ++ended; }));
        });
      engine.start();
      for (auto& asker : askers) asker.join();
    }
    EXPECT_EQ(ended, 3 * 20);
  }
}

TEST(NetworkEngine, HearsThreadsOfThePoolThatReportWhileItEnds) {
  constexpr int readers = 3;
  for (int round = 0; round < 50; ++round) {
    std::vector<std::thread> pool;
    std::latch go(1);
    {
      answering_at_once engine(readers);
      engine.start();
      for (uint64_t each = 0; each < readers; ++each)
        pool.emplace_back([&go, each, back = engine.way_back()] {
          go.wait();
          back.report(each, true, std::nullopt);
        });
      go.count_down();
    }
    for (auto& thread : pool) thread.join();
  }
}

} // namespace
} // namespace fastptm::transport
