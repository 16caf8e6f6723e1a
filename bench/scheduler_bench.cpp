// A sender, the scheduler, and doubles of devices in one process.
#include "bench/scheduler_bench.hpp"

#include <algorithm>
#include <future>

#include <fmt/format.h>

#include "actors/actor_from_state.hpp"
#include "actors/serving/scheduler.hpp"
#include "actors/system_config.hpp"
#include "core/metrics.hpp"
#include "models/encoder/config.hpp"
#include "models/registry.hpp"
#include "weights/format/hash.hpp"
#include "weights/format/manifest.hpp"

namespace fastptm::bench {

using namespace protocol;

namespace {

constexpr size_t actor_threads = 2; // as a node has
constexpr uint64_t in_flight = 1024;
constexpr core::duration_us deadline_us = 10'000'000;
constexpr uint32_t tokens = 32;
constexpr uint64_t slowest_rps = 5'000; // a twentieth of what is wanted: below it something is lost

// Answers every order at once, with an output of one number per input.
class loopback_worker {
public:
  using interface = gpu_worker_actor;
  static constexpr const char* actor_name = "loopback_worker";

  loopback_worker(interface::pointer self, scheduler_actor scheduler)
      : self_(self), scheduler_(std::move(scheduler)), output_(encode_output(std::vector<float>{1.0f})) {}

  interface::behavior_type make_behavior() {
    return {
        [](const attach_order&) {},
        [](const load_order&) {
          return load_reply{uint64_t{1} << 20, 100};
        },
        [](cancel_atom, core::load_id) {},
        [](const evict_order&) { return uint64_t{0}; },
        [](const batch_inputs&) {},
        [this](const run_order& order) {
          self_->send(scheduler_, batch_outputs{order.batch, std::vector<payload>(order.inputs, output_)});
          return run_reply{order.batch, order.inputs, 10, 0};
        },
        [](const node_lost&) {},
        [](const suspect&) {},
        [this](stop_atom) { self_->quit(); },
    };
  }

private:
  interface::pointer self_;
  scheduler_actor scheduler_;
  payload output_;
};

struct sent {
  uint64_t failed = 0;
  core::duration_us took_us = 0;
};

// Stands for the tenants: keeps its requests under way until all are answered, then fulfils the promise. A tenant also
// sets a timer for each; that is its own cost and the clock thread's, not the scheduler's, and left out here.
class sender {
public:
  using interface = caf::typed_actor<takes<tick_atom, uint64_t>>;
  static constexpr const char* actor_name = "sender";

  sender(interface::pointer self, scheduler_actor scheduler, uint32_t models, std::shared_ptr<std::promise<sent>> done)
      : self_(self), scheduler_(std::move(scheduler)), models_(models), done_(std::move(done)),
        input_(encode_input(std::vector<int32_t>(tokens, 7), {})) {}

  interface::behavior_type make_behavior() {
    return {[this](tick_atom, uint64_t requests) {
      left_ = unanswered_ = requests;
      start_us_ = core::monotonic_now_us();
      for (uint64_t i = 0; i < in_flight && left_ > 0; ++i) send_one();
    }};
  }

private:
  void send_one() {
    --left_;
    self_
        ->request(scheduler_, caf::infinite,
                  schedule_request{++ticket_, {0}, {1 + ticket_ % models_}, deadline_us, input_})
        .then([this](const infer_reply& reply) { answered(reply.end == status::ok); },
              [this](const caf::error&) { answered(false); });
  }
  void answered(bool well) {
    if (!well) ++result_.failed;
    if (left_ > 0) send_one();
    if (--unanswered_ > 0) return;
    result_.took_us = core::monotonic_now_us() - start_us_;
    done_->set_value(result_);
    self_->quit();
  }

  interface::pointer self_;
  scheduler_actor scheduler_;
  uint32_t models_;
  std::shared_ptr<std::promise<sent>> done_; // shared: whoever waits may be gone before set_value has returned
  payload input_;
  uint64_t left_ = 0, unanswered_ = 0, ticket_ = 0;
  core::time_us start_us_ = 0;
  sent result_;
};

weights::manifest small_set(uint32_t number) {
  weights::manifest set;
  set.arch = models::encoder::architecture_of("bert", {.hidden = 64,
                                                       .layers = 2,
                                                       .heads = 2,
                                                       .intermediate = 128,
                                                       .vocabulary = 100,
                                                       .positions = 32,
                                                       .token_types = 2});
  set.job.max_tokens = tokens;
  for (const auto& shard : models::layout_of(set.arch, set.job)) {
    weights::shard_entry entry;
    const auto name = fmt::format("{} {}", number, set.shards.size());
    std::copy(name.begin(), name.end(), reinterpret_cast<char*>(entry.digest.bytes.data()));
    entry.size_bytes = shard.size_bytes;
    entry.chunk_checksums.resize(weights::chunk_count(shard.size_bytes));
    set.shards.push_back(entry);
  }
  return set;
}

// Models and devices, as the weight store and the directory would tell of them.
std::vector<gpu_worker_actor> furnish(caf::actor_system& system, const scheduler_actor& scheduler,
                                      const scheduler_bench_options& options) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < options.models; ++i) {
    const auto set = small_set(i);
    bytes = set.total_bytes();
    model_added added;
    added.row.id = {1 + i};
    added.row.name = fmt::format("bench/m{}@1", i);
    added.row.tenant = "bench";
    added.row.architecture = "small";
    added.manifest = to_payload(weights::encode(set));
    caf::anon_send(scheduler, std::move(added));
  }
  std::vector<gpu_worker_actor> workers;
  const uint64_t sets = std::max<uint64_t>(1, 2 * options.models / options.devices);
  for (uint32_t i = 0; i < options.devices; ++i) {
    workers.push_back(system.spawn<actors::actor_from_state<loopback_worker>>(scheduler));
    device_row row;
    row.name = fmt::format("worker-{}/double", i);
    row.arena_bytes = sets * bytes;
    caf::anon_send(scheduler, device_joined{{1}, fmt::format("worker-{}", i), "host", row, workers.back()});
  }
  return workers;
}

sent run_once(caf::actor_system& system, const scheduler_actor& scheduler, const scheduler_bench_options& options) {
  const auto done = std::make_shared<std::promise<sent>>();
  auto result = done->get_future();
  const auto from = system.spawn<actors::actor_from_state<sender>>(scheduler, options.models, done);
  caf::anon_send(from, tick_atom_v, options.requests);
  // A request that was lost would be waited for without end: the sender sets no timers.
  const auto patience = std::chrono::seconds(60 + options.requests / slowest_rps);
  if (result.wait_for(patience) != std::future_status::ready) {
    caf::anon_send_exit(from, caf::exit_reason::kill);
    return {options.requests, std::chrono::microseconds(patience).count()};
  }
  return result.get();
}

} // namespace

scheduler_bench_result run_scheduler_bench(const scheduler_bench_options& options) {
  core::metrics_registry metrics;
  const core::monotonic_clock clock;
  actors::system_config settings(actor_threads);
  caf::actor_system system(settings);
  actors::scheduler_options wanted;
  wanted.tenants = {{{0}, "bench", 1}};
  wanted.clock = &clock;
  wanted.metrics = &metrics;
  const scheduler_actor scheduler = system.spawn<actors::actor_from_state<actors::scheduler>>(wanted);
  const auto workers = furnish(system, scheduler, options);
  scheduler_bench_result out;
  std::vector<uint64_t> rates;
  for (unsigned i = 0; i <= options.repetitions; ++i) {
    const auto got = run_once(system, scheduler, options);
    out.failed += got.failed;
    if (i > 0) rates.push_back(options.requests * 1'000'000 / static_cast<uint64_t>(std::max<int64_t>(1, got.took_us)));
  }
  std::nth_element(rates.begin(), rates.begin() + rates.size() / 2, rates.end());
  out.requests_per_s = rates[rates.size() / 2];
  auto& decisions = metrics.make_histogram("fastptm_scheduler_decision_seconds", {}, {}, core::deciding_buckets);
  out.decision_ns_p50 = decisions.quantile_ns(0.5);
  out.decision_ns_p99 = decisions.quantile_ns(0.99);
  const auto count_of = [&metrics](const char* name) { return metrics.make_counter(name, {}).value(); };
  out.requests_per_decision = static_cast<double>(count_of("fastptm_scheduler_arrivals_total")) /
                              static_cast<double>(std::max<uint64_t>(1, count_of("fastptm_scheduler_decisions_total")));
  out.loads = count_of("fastptm_loads_total");
  caf::anon_send(scheduler, stop_atom_v);
  for (const auto& worker : workers) caf::anon_send(worker, stop_atom_v);
  return out;
}

} // namespace fastptm::bench
