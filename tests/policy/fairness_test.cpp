// Fair shares: the bound on the gap between tenants, alone and through the core, and what an abuser can do to others.
#include "policy/fairness.hpp"

#include <algorithm>
#include <map>
#include <queue>

#include <gtest/gtest.h>

#include "core/random.hpp"
#include "policy/scheduling/board.hpp"
#include "policy/scheduling/core.hpp"

namespace fastptm::policy {

// Whoever is served is one that is not ahead: the rule that a scheduler keeps.
TEST(Fairness, BoundsTheGapBetweenTenantsThatBothHaveWork) {
  constexpr double window_us = 10'000, largest_us = 4'000;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    core::prng random(seed);
    fairness f(static_cast<core::duration_us>(window_us));
    constexpr uint32_t tenants = 5;
    for (uint32_t t = 0; t < tenants; ++t) {
      f.set_share({t}, 1 + static_cast<uint32_t>(random.below(4)));
      f.work_came({t});
    }
    for (int i = 0; i < 5'000; ++i) {
      tenant_index t{static_cast<uint32_t>(random.below(tenants))};
      if (f.ahead(t)) t = f.last();
      f.charge(t, static_cast<core::duration_us>(random.below(static_cast<uint64_t>(largest_us))));
      for (uint32_t a = 0; a < tenants; ++a)
        for (uint32_t b = 0; b < tenants; ++b)
          ASSERT_LE(f.service_us({a}) / f.share({a}) - f.service_us({b}) / f.share({b}),
                    (2 * window_us + largest_us) / f.share({a}));
    }
  }
}

TEST(Fairness, KeepsBoundedCreditOverAPause) {
  fairness f(1'000);
  f.work_came({0});
  f.work_came({1});
  f.work_left({1});
  for (int i = 0; i < 1'000; ++i) f.charge({0}, 1'000);
  f.work_came({1});
  EXPECT_TRUE(f.ahead({0}));
  core::duration_us taken_us = 0;
  while (f.ahead({0})) {
    f.charge({1}, 100);
    taken_us += 100;
  }
  EXPECT_LE(taken_us, 2'000) << "a second of pause is not a second of credit";
  EXPECT_GE(taken_us, 900) << "but some is kept";
}

TEST(Fairness, NobodyIsAheadAlone) {
  fairness f(1'000);
  f.work_came({3});
  f.charge({3}, 1'000'000);
  EXPECT_FALSE(f.ahead({3}));
}

namespace scheduling {

namespace {

// A small cluster whose devices take exactly the estimated times; requests come as told.
class shared_cluster {
public:
  shared_cluster(uint32_t devices, uint32_t sets, duration_us fair_window_us) {
    options o;
    o.max_batch = 4;
    o.layers = 1;
    o.load_base_us = load_us;
    o.peer_bytes_per_s = o.home_bytes_per_s = o.remote_bytes_per_s = 0;
    o.fair_window_us = fair_window_us;
    core_ = std::move(*make_core(o));
    for (uint32_t d = 0; d < devices; ++d) on(device_joined{.device = {d}, .arena_bytes = sets});
  }

  void add_tenant(uint32_t tenant, uint32_t share) { on(tenant_added{{tenant}, share}); }
  void add_model(uint32_t model, uint32_t tenant, duration_us base_us, duration_us each_us) {
    const std::array shards{shard_size{{model}, 1}};
    on(model_added{
        .model = {model}, .tenant = {tenant}, .shards = shards, .cost = {base_us, each_us}, .cost_class = model});
    tenant_of_.resize(model + 1);
    tenant_of_[model] = tenant;
  }

  void ask(time_us at_us, uint32_t model, duration_us deadline_us) {
    run_until(at_us);
    const auto slot = static_cast<uint32_t>(asked_.size());
    asked_.push_back({at_us, model});
    on(arrival{{slot, 0}, {model}, at_us + deadline_us});
  }
  void run_until(time_us at_us) {
    while (!coming_.empty() && coming_.top().first <= at_us) {
      const auto [us, e] = coming_.top();
      coming_.pop();
      now_ = us;
      on(e);
    }
    now_ = at_us;
  }

  double service_us(uint32_t tenant) const { return core_->state().shares().service_us({tenant}); }
  uint32_t waiting(uint32_t model) const { return core_->state().model({model}).live.count; }
  // Of the answered requests of the tenant.
  std::vector<duration_us> took(uint32_t tenant) const {
    std::vector<duration_us> all;
    for (const answered& a : answers_)
      if (tenant_of_[a.model] == tenant) all.push_back(a.took_us);
    std::sort(all.begin(), all.end());
    return all;
  }

  static constexpr duration_us load_us = 5'000;

private:
  struct answered {
    uint32_t model;
    duration_us took_us;
  };
  struct later {
    bool operator()(const auto& a, const auto& b) const { return a.first > b.first; }
  };

  void on(const event& e) {
    if (const auto* done = std::get_if<batch_done>(&e)) {
      for (const request_ref q : running_[done->batch.value])
        answers_.push_back({asked_[q.slot].second, now_ - asked_[q.slot].first});
      running_.erase(done->batch.value);
    }
    ASSERT_EQ(core_->on(e, now_, out_), rejection::none);
    for (const command& c : out_.all()) {
      if (const auto* l = std::get_if<load>(&c)) {
        time_us& engine = engine_free_us_[l->device.value];
        engine = std::max(engine, now_) + load_us;
        ready_us_[{l->device.value, l->model.value}] = engine;
        coming_.emplace(engine, load_done{l->device, l->id});
      }
      if (const auto* t = std::get_if<set_timer>(&c)) coming_.emplace(t->at_us, timer{});
      if (const auto* r = std::get_if<run>(&c)) {
        const auto requests = out_.requests_of(*r);
        running_[r->id.value].assign(requests.begin(), requests.end());
        const time_us start_us = std::max(now_, ready_us_[{r->device.value, r->model.value}]);
        const duration_us takes_us = core_->state().execution_us(r->model, r->device, r->count);
        coming_.emplace(start_us + takes_us, batch_done{r->device, r->id});
      }
    }
  }

  std::unique_ptr<scheduling_core> core_;
  commands out_;
  time_us now_ = 1;
  std::vector<uint32_t> tenant_of_;
  std::vector<std::pair<time_us, uint32_t>> asked_;
  std::vector<answered> answers_;
  std::map<uint64_t, std::vector<request_ref>> running_;
  std::map<uint32_t, time_us> engine_free_us_;
  std::map<std::pair<uint32_t, uint32_t>, time_us> ready_us_;
  std::priority_queue<std::pair<time_us, event>, std::vector<std::pair<time_us, event>>, later> coming_;
};

} // namespace

// One tenant has a cheap model in large batches, the other a model that switches; both ask for more than there is.
TEST(FairScheduling, KeepsTheGapBoundedBetweenBackloggedTenants) {
  constexpr duration_us window_us = 100'000;
  shared_cluster c(1, 1, window_us);
  c.add_tenant(0, 1);
  c.add_tenant(1, 3);
  c.add_model(0, 0, 2'000, 1'000);
  c.add_model(1, 1, 4'000, 8'000);
  // A charge is at most a batch with its load, counted for the lane and for the bytes.
  constexpr double largest_us = 4'000 + 4 * 8'000 + 2 * shared_cluster::load_us;
  for (int i = 0; i < 3'000; ++i) {
    const time_us at_us = 1'000 + i * 1'000;
    c.ask(at_us, 0, 60'000'000);
    c.ask(at_us, 1, 60'000'000);
    ASSERT_TRUE(i < 50 || (c.waiting(0) > 0 && c.waiting(1) > 0))
        << "both must have work for the bound to mean anything";
    const double gap_us = c.service_us(0) / 1.0 - c.service_us(1) / 3.0;
    ASSERT_LE(gap_us, 2.0 * window_us + largest_us) << "at " << at_us;
    ASSERT_GE(gap_us, -(2.0 * window_us + largest_us) / 3.0) << "at " << at_us;
  }
  EXPECT_NEAR(c.service_us(1) / c.service_us(0), 3.0, 0.5);
}

// The victim uses a third of what it has a right to; the abuser asks for ten times what there is, with four models.
// What nobody can take back is a batch that runs: the abuser's take a fifth of the victim's p99 at most here, and a
// second request in a batch of the victim costs less than a run of its own, as on real devices.
TEST(FairScheduling, AnAbuserRaisesAnothersP99ByLessThanAFifth) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(seed);
    duration_us p99_us[2] = {};
    for (const bool abused : {false, true}) {
      core::prng random(seed);
      shared_cluster c(4, 3, 20'000);
      c.add_tenant(0, 1);
      c.add_tenant(1, 1);
      c.add_model(0, 0, 8'000, 4'000);
      for (uint32_t x = 1; x <= 4; ++x) c.add_model(x, 1, 1'000, 1'000);
      time_us victim_us = 1'000, abuser_us = 500'000;
      while (victim_us < 60'000'000) {
        if (abused && abuser_us < victim_us) {
          c.ask(abuser_us, static_cast<uint32_t>(1 + random.below(4)), 200'000);
          abuser_us += 150;
        } else {
          c.ask(victim_us, 0, 500'000);
          victim_us += static_cast<time_us>(random.below(40'000));
        }
      }
      c.run_until(victim_us + 1'000'000);
      const auto took = c.took(0);
      ASSERT_GT(took.size(), 2'000u);
      p99_us[abused ? 1 : 0] = took[took.size() * 99 / 100];
    }
    EXPECT_LE(static_cast<double>(p99_us[1]), 1.2 * static_cast<double>(p99_us[0]));
  }
}

} // namespace scheduling
} // namespace fastptm::policy
