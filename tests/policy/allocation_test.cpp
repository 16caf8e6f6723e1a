// Decisions allocate nothing once the tables have grown.
#include <algorithm>
#include <cstdlib>
#include <functional>
#include <new>
#include <queue>

#include <gtest/gtest.h>

#include "core/random.hpp"
#include "policy/scheduling/core.hpp"

namespace {
// Counts only between the two switches: the test's own world may allocate.
bool counting = false;
uint64_t allocations = 0;

void* counted(std::size_t size) {
  allocations += counting ? 1 : 0;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
} // namespace

void* operator new(std::size_t size) {
  return counted(size);
}
void* operator new[](std::size_t size) {
  return counted(size);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace fastptm::policy::scheduling {

namespace {

struct size {
  uint32_t devices, models, sets_per_device;
};

// Requests at a steady rate to models of falling popularity; loads and batches take their time.
class steady_cluster {
public:
  steady_cluster(std::string_view strategy, size s) : size_(s) {
    options o;
    o.strategy = strategy;
    o.layers = 1;
    core_ = std::move(*make_core(o));
    on(tenant_added{{0}, 1, late_rule::refuse});
    for (uint32_t x = 0; x < s.models; ++x) {
      const std::array shards{shard_size{{x}, 1}};
      on(model_added{.model = {x}, .tenant = {0}, .shards = shards, .cost = {1000, 500}, .cost_class = 0});
    }
    for (uint32_t d = 0; d < s.devices; ++d)
      on(device_joined{.device = {d}, .arena_bytes = s.sets_per_device, .host = d / 4, .resident = {}});
  }

  void serve(uint32_t requests) {
    for (uint32_t i = 0; i < requests; ++i) {
      const time_us next_us = now_ + static_cast<time_us>(random_.below(2'400 / size_.devices + 1));
      while (!coming_.empty() && coming_.top().first <= next_us) {
        now_ = coming_.top().first;
        const event e = coming_.top().second;
        coming_.pop();
        on(e);
      }
      now_ = next_us;
      const double u = random_.unit();
      const auto model = static_cast<uint32_t>(u * u * u * size_.models);
      if (free_.empty()) free_.push_back(slots_++);
      const uint32_t slot = free_.back();
      free_.pop_back();
      on(arrival{{slot, 0}, {model}, now_ + 100'000});
    }
  }

  uint64_t finished() const { return core_->counters().finished; }
  uint64_t loads() const { return core_->counters().loads; }

private:
  struct later {
    bool operator()(const auto& a, const auto& b) const { return a.first > b.first; }
  };

  void on(const event& e) {
    if (const auto* b = std::get_if<batch_done>(&e)) {
      for (const uint32_t slot : running_[b->device.value]) free_.push_back(slot);
      running_[b->device.value].clear();
    }
    counting = true;
    const rejection r = core_->on(e, now_, out_);
    counting = false;
    ASSERT_EQ(r, rejection::none);
    running_.resize(size_.devices);
    for (const command& c : out_.all()) {
      if (const auto* l = std::get_if<load>(&c)) coming_.emplace(now_ + 3'000, load_done{l->device, l->id});
      if (const auto* f = std::get_if<refuse>(&c)) free_.push_back(f->request.slot);
      if (const auto* t = std::get_if<set_timer>(&c)) coming_.emplace(t->at_us, timer{});
      if (const auto* run_now = std::get_if<run>(&c)) {
        for (const request_ref q : out_.requests_of(*run_now)) running_[run_now->device.value].push_back(q.slot);
        const time_us start_us = now_ + (run_now->waits_for.value != 0 ? 3'000 : 0);
        coming_.emplace(start_us + 1'000 + 500 * run_now->count, batch_done{run_now->device, run_now->id});
      }
    }
  }

  size size_;
  std::unique_ptr<scheduling_core> core_;
  commands out_;
  core::prng random_{7};
  time_us now_ = 1;
  std::priority_queue<std::pair<time_us, event>, std::vector<std::pair<time_us, event>>, later> coming_;
  std::vector<uint32_t> free_;
  std::vector<std::vector<uint32_t>> running_;
  uint32_t slots_ = 0;
};

class Allocations : public testing::TestWithParam<std::tuple<std::string_view, size>> {};

TEST_P(Allocations, NoneOnceTheTablesHaveGrown) {
  const auto& [strategy, s] = GetParam();
  steady_cluster cluster(strategy, s);
  cluster.serve(120'000);
  const uint64_t loads_before = cluster.loads();
  const uint64_t finished_before = cluster.finished();
  allocations = 0;
  cluster.serve(60'000);
  EXPECT_EQ(allocations, 0u);
  EXPECT_GT(cluster.finished(), finished_before + 1'000) << "answers are part of what is counted";
  EXPECT_GT(cluster.loads(), loads_before) << "loads are part of what is counted";
}

constexpr size close_by{4, 20, 3}, far{64, 600, 6};
INSTANTIATE_TEST_SUITE_P(EveryStrategy, Allocations,
                         testing::Combine(testing::ValuesIn(strategy_names().begin(), strategy_names().end()),
                                          testing::Values(close_by)),
                         [](const auto& chosen) { return std::string(std::get<0>(chosen.param)); });
INSTANTIATE_TEST_SUITE_P(DxvForManyLanes, Allocations, testing::Values(std::tuple{std::string_view("dxv"), far}));

} // namespace

} // namespace fastptm::policy::scheduling
