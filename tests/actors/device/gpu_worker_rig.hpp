// A gpu_worker on a small device in virtual time, among doubles that keep what it says.
// Bytes arrive when the test says so.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

#include "actors/actor_from_state.hpp"
#include "actors/deterministic_system.hpp"
#include "actors/device/gpu_worker.hpp"
#include "engine/batch_runner.hpp"
#include "gpu/host/device.hpp"
#include "protocol/errors.hpp"
#include "tests/support/manual_fetcher.hpp"
#include "tests/support/recording_actors.hpp"
#include "tests/support/weight_sets.hpp"

namespace fastptm::actors::rig {

using namespace protocol;

inline constexpr uint64_t gap_bytes = 4096;
inline constexpr registration_id first_life{7};

// To doubles of these two.
inline attach_order attach_order_of(registration_id registration, const caf::actor& directory,
                                    const caf::actor& store) {
  attach_order order;
  order.registration = registration;
  order.directory = caf::actor_cast<directory_actor>(directory);
  order.weight_store = caf::actor_cast<weight_store_actor>(store);
  order.store.node = "head";
  return order;
}

// The shards of a set one after the other, with a hole behind each.
inline std::vector<uint64_t> places_from(uint64_t offset_bytes, const weights::manifest& set) {
  std::vector<uint64_t> places;
  for (const auto& shard : set.shards) {
    places.push_back(offset_bytes);
    offset_bytes += shard.size_bytes + gap_bytes;
  }
  return places;
}

inline uint64_t bytes_of(const weights::manifest& set) {
  uint64_t bytes = 0;
  for (const auto& shard : set.shards) bytes += shard.size_bytes;
  return bytes;
}

// A test double: a batch computes until the test says how it was.
class held_runner final : public engine::batch_runner {
public:
  core::result<void> submit(engine::run_request, engine::run_done done) override {
    runs.push_back(std::move(done));
    return {};
  }
  std::deque<engine::run_done> runs;
};

class gpu_worker_rig : public testing::Test {
protected:
  using load_answer = std::optional<core::result<load_reply>>;

  gpu_worker_rig() {
    environment_.fetcher_to = [this](const transport::peer_address&) { return &fetcher_; };
    environment_.exporter = &exports_;
    environment_.checker = &checker_;
    environment_.scrubber = &scrubber_;
    environment_.clock = &world_.clock();
    // All that a device and its transfers say to them.
    directory_ = world_.system().spawn([this](caf::event_based_actor*) -> caf::behavior {
      return {[](registration_id, const locate_request&) { return holder_list(); },
              [](registration_id, const running_load&) {},
              [this](const holdings_added& added) {
                held_.insert(held_.end(), added.shards.begin(), added.shards.end());
                ++held_messages_;
              },
              [this](const holdings_dropped& gone) {
                dropped_.insert(dropped_.end(), gone.shards.begin(), gone.shards.end());
              },
              [this](registration_id, const load_report& report) { reports_.push_back(report); },
              [this](registration_id registration, const device_row& row) { rows_.emplace_back(registration, row); }};
    });
    store_ = world_.system().spawn([](caf::event_based_actor*) -> caf::behavior {
      return {[](const stage_request&) {
                stage_reply reply;
                reply.staged = true;
                return reply;
              },
              [](release_atom, const core::digest&) {}};
    });
    worker_ = world_.system().spawn<actor_from_state<gpu_worker>>(
        gpu_worker_options{"worker-0/host0", device_.get(), &runner_, &environment_});
    attach(first_life);
  }
  ~gpu_worker_rig() override {
    caf::anon_send(worker_, stop_atom_v);
    world_.run();
    while (!fetcher_.asked.empty()) land();
    for (const auto& one : {directory_, store_}) caf::anon_send_exit(one, caf::exit_reason::kill);
    world_.run();
  }

  void attach(registration_id registration) {
    caf::anon_send(worker_, attach_order_of(registration, directory_, store_));
    world_.run();
  }

  // The answer of a load comes when it comes: it is kept by the number of the load.
  void order_load(uint64_t load, uint64_t model, const weights::manifest& set, std::vector<uint64_t> places,
                  const std::string& tenant = "acme") {
    load_order order;
    order.registration = first_life;
    order.load = {load};
    order.model = {model};
    order.name = tenant + "/m@" + std::to_string(model);
    order.manifest = to_payload(weights::encode(set));
    order.manifest_digest = published_ == core::digest() ? weights::digest_of(set) : published_;
    order.timeout_us = 1'000'000;
    order.offsets_bytes = std::move(places);
    world_.system().spawn([this, load, order](caf::event_based_actor* self) {
      self->request(worker_, caf::infinite, order)
          .then([this, load](const load_reply& reply) { answers_[load] = reply; },
                [this, load](const caf::error& why) { answers_[load] = core::fail(from_caf(why)); });
    });
    world_.run();
  }

  void order_evict(uint64_t model) {
    world_.system().spawn([this, model](caf::event_based_actor* self) {
      self->request(worker_, caf::infinite, evict_order{first_life, {model}})
          .then([this](uint64_t bytes) { freed_.push_back(bytes); },
                [](const caf::error& why) { ADD_FAILURE() << from_caf(why).message; });
    });
    world_.run();
  }

  void order_run(uint64_t batch, uint64_t model) {
    world_.system().spawn([this, batch, model](caf::event_based_actor* self) {
      self->request(worker_, caf::infinite, run_order{first_life, {batch}, {model}, 0, 1'000'000})
          .then([](const run_reply&) {}, [](const caf::error& why) { ADD_FAILURE() << from_caf(why).message; });
    });
    world_.run();
  }
  // The oldest one, which has computed until now but for what it waited.
  void end_run(core::time_us began_us, core::duration_us waited_us = 0) {
    engine::run_result result;
    result.rows.emplace_back();
    result.began_us = began_us;
    result.run_us = world_.clock().now_us() - began_us;
    result.waited_us = waited_us;
    result.first_layer_at_us = began_us + waited_us;
    const auto done = std::move(runner_.runs.front());
    runner_.runs.pop_front();
    done(std::move(result));
    world_.run();
  }
  int64_t spent_on(std::string_view stage) const {
    int64_t sum_us = 0;
    for (const auto& each : reports_.back().stages)
      if (each.name == stage) sum_us += each.end_us - each.start_us;
    return sum_us;
  }

  void land() {
    fetcher_.land();
    world_.run();
  }
  void land_all() {
    while (!fetcher_.asked.empty()) land();
  }
  void load(uint64_t number, uint64_t model, const weights::manifest& set, const std::vector<uint64_t>& places) {
    order_load(number, model, set, places);
    land_all();
    ASSERT_TRUE(answers_.contains(number) && answers_[number]->has_value()) << "load " << number;
  }

  // By value: it is not held any more then.
  void damage(shard_location shard) {
    scrubber_.suspect({shard.region, shard.generation});
    scrubber_.check();
    world_.run();
  }

  uint64_t used_bytes() { return device_->memory().used_bytes(); }
  std::vector<std::string> resident() const { return rows_.back().second.resident; }
  core::errc code_of(uint64_t load) {
    if (!answers_.contains(load) || answers_[load]->has_value()) return core::errc::internal;
    return answers_[load]->error().code;
  }

  const weights::manifest a_ = tests::set_of(tests::tiny_shape, 1), b_ = tests::set_of(tests::tiny_shape, 2);
  actors::deterministic_system world_;
  tests::manual_fetcher fetcher_;
  transport::exporter exports_;
  weights::verifier checker_{0};
  weights::scrubber scrubber_{{.bytes_per_s = 0}, exports_, world_.clock()}; // looks when the test says so
  loading_environment environment_;
  std::unique_ptr<gpu::device> device_ =
      gpu::host::make_host_device({"host0", 16 << 20, 1}, gpu::host::best_isa()).value();
  held_runner runner_;
  caf::actor directory_, store_;
  gpu_worker_actor worker_;
  std::vector<std::pair<registration_id, device_row>> rows_;
  std::vector<load_report> reports_;
  std::vector<shard_location> held_; // in the order in which they were told
  size_t held_messages_ = 0;         // in which they came
  std::vector<core::digest> dropped_;
  std::map<uint64_t, load_answer> answers_;
  std::vector<uint64_t> freed_;
  core::digest published_; // that orders name; none: the right one
};

} // namespace fastptm::actors::rig
