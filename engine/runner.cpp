// Skeletons of one device and the runs on its executor; see runner.hpp.
#include <algorithm>
#include <list>

#include <fmt/format.h>

#include "core/input_limits.hpp"
#include "core/mutex.hpp"
#include "engine/runner.hpp"
#include "models/registry.hpp"

namespace fastptm::engine {

namespace {

// A skeleton is some kilobytes of offsets on the host; on other devices it may hold prepared graphs.
constexpr size_t skeletons_kept = 16;
// Of one request: what the scheduler batches is far below.
constexpr size_t largest_batch = 1024;

// Wherever the bytes of an input came from, none of its numbers reads beyond a table.
core::result<void> check_inputs(const models::model_facts& facts, const std::vector<sequence>& inputs) {
  const core::input_limits limits{facts.name, facts.positions, facts.vocabulary, facts.token_types};
  if (inputs.empty() || inputs.size() > largest_batch) {
    return core::fail(core::errc::invalid, fmt::format("{} inputs: give 1 to {}", inputs.size(), largest_batch));
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    const auto& one = inputs[i];
    if (auto ok = core::check_input(limits, one.ids, one.token_types, one.unpooled); !ok)
      return core::fail(fmt::format("input {}", i), ok.error());
  }
  return {};
}

} // namespace

class runner::state {
public:
  explicit state(gpu::device& on) : device_(on), memory_(on) {}
  ~state();

  core::result<void> submit(run_request request, run_done done);

private:
  core::result<run_result> run(const run_request& request);
  core::result<void> run_passes(models::skeleton& with, const run_request& request, models::binding& weights,
                                run_result& result);
  models::skeleton& skeleton_of(const models::architecture& arch);
  void finished();

  gpu::device& device_;

  // Executor thread only.
  std::list<std::unique_ptr<models::skeleton>> skeletons_; // most recently used first
  models::workspace memory_;
  models::batch batch_;

  core::mutex mutex_;
  core::condition idle_;
  size_t submitted_ FASTPTM_GUARDED_BY(mutex_) = 0; // and not finished
};

runner::state::~state() {
  core::mutex_lock lock(mutex_);
  while (submitted_ > 0) idle_.wait(lock);
}

core::result<void> runner::state::submit(run_request request, run_done done) {
  if (auto ok = check_inputs(request.facts, request.inputs); !ok) return ok;
  {
    const core::mutex_lock lock(mutex_);
    ++submitted_;
  }
  // std::function copies what it holds.
  auto pending = std::make_shared<std::pair<run_request, run_done>>(std::move(request), std::move(done));
  auto accepted = device_.execute([this, pending]() mutable {
    pending->second(run(pending->first));
    pending.reset(); // Before finished(): the request holds events and the caller's captures.
    finished();
  });
  if (!accepted) finished();
  return accepted;
}

void runner::state::finished() {
  // Under the lock: the destructor may go on as soon as it can take it.
  const core::mutex_lock lock(mutex_);
  --submitted_;
  idle_.notify_all();
}

core::result<run_result> runner::state::run(const run_request& request) {
  run_result result;
  result.began_us = core::monotonic_now_us();
  models::skeleton& with = skeleton_of(request.arch);
  models::binding weights(request.shards, request.give_up_at_us);
  if (auto ok = with.check(request.job, weights); !ok) return core::fail(ok.error());
  if (auto ok = run_passes(with, request, weights, result); !ok) return core::fail(ok.error());
  result.waited_us = weights.waited_us();
  result.run_us = core::monotonic_now_us() - result.began_us;
  return result;
}

core::result<void> runner::state::run_passes(models::skeleton& with, const run_request& request,
                                             models::binding& weights, run_result& result) {
  gpu::kernels& compute = device_.operators();
  result.rows.reserve(request.inputs.size());
  for (std::span<const sequence> left = request.inputs; !left.empty();) {
    left = left.subspan(batch_.fill(left));
    models::pass on{compute, memory_, batch_, weights};
    const auto output = with.run(request.job, on);
    if (!output) return core::fail(output.error());
    if (result.rows.empty()) result.first_layer_at_us = on.first_layer_at_us;
    for (uint32_t row = 0; row < output->rows; ++row) {
      compute.read(*output, row, result.rows.emplace_back(output->features));
    }
  }
  return {};
}

models::skeleton& runner::state::skeleton_of(const models::architecture& arch) {
  const auto found = std::ranges::find(skeletons_, arch, [](const auto& s) { return s->architecture(); });
  if (found != skeletons_.end()) {
    skeletons_.splice(skeletons_.begin(), skeletons_, found);
  } else {
    if (skeletons_.size() == skeletons_kept) skeletons_.pop_back();
    skeletons_.push_front(models::make_skeleton(arch));
  }
  return *skeletons_.front();
}

runner::runner(gpu::device& on) : state_(std::make_unique<state>(on)) {}
runner::~runner() = default;

core::result<void> runner::submit(run_request request, run_done done) {
  return state_->submit(std::move(request), std::move(done));
}

} // namespace fastptm::engine
