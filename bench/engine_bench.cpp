// One device, one model, the same batch again and again; see engine_bench.hpp.
#include "bench/engine_bench.hpp"

#include <algorithm>
#include <ctime>
#include <future>
#include <limits>

#include <fmt/format.h>

#include "core/random.hpp"
#include "engine/runner.hpp"
#include "gpu/backends.hpp"
#include "models/encoder/config.hpp"
#include "models/registry.hpp"
#include "weights/import/synthetic.hpp"

namespace fastptm::bench {

namespace {

constexpr uint64_t seed = 20'260'131;

core::result<models::encoder::config> configuration_named(const engine_bench_options& options) {
  if (options.dtype != "f32") {
    return core::fail(core::errc::invalid, "dtype '" + options.dtype + "': this engine computes in f32");
  }
  const auto shape = weights::synthetic_shape_named(options.arch);
  if (!shape) return core::fail(shape.error());
  if (options.batch == 0 || options.seq == 0 || options.seq > shape->positions || options.repetitions == 0) {
    return core::fail(core::errc::invalid,
                      fmt::format("batch, repetitions and seq are at least 1, seq at most {}", shape->positions));
  }
  return models::encoder::config{.hidden = shape->hidden,
                                 .layers = shape->layers,
                                 .heads = shape->heads,
                                 .intermediate = shape->intermediate,
                                 .vocabulary = shape->vocabulary,
                                 .positions = shape->positions,
                                 .token_types = 2};
}

void fill(const models::shard_layout& shard, std::byte* at, core::prng& random) {
  for (const models::tensor_slot& tensor : shard.tensors) {
    const float mean = tensor.name.ends_with("norm.weight") ? 1.0f : 0.0f;
    float* const values = reinterpret_cast<float*>(at + tensor.offset_bytes);
    for (uint64_t i = 0; i < tensor.size_bytes / sizeof(float); ++i) {
      values[i] = mean + 0.07f * (static_cast<float>(random.unit()) - 0.5f);
    }
  }
}

std::vector<engine::sequence> inputs_of(const engine_bench_options& options, uint32_t vocabulary, core::prng& random) {
  std::vector<engine::sequence> inputs(options.batch);
  for (engine::sequence& input : inputs) {
    for (uint32_t i = 0; i < options.seq; ++i) input.ids.push_back(static_cast<int32_t>(random.below(vocabulary)));
  }
  return inputs;
}

// Processor time of the whole process.
core::duration_us processor_now_us() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return now.tv_sec * 1'000'000 + now.tv_nsec / 1'000;
}

core::result<void> run_once(engine::runner& with, const engine::run_request& request) {
  // Shared: the executor may still be inside set_value() when the waiter goes on.
  const auto answered = std::make_shared<std::promise<core::result<engine::run_result>>>();
  auto accepted = with.submit(
      request, [answered](core::result<engine::run_result> result) { answered->set_value(std::move(result)); });
  if (!accepted) return accepted;
  auto result = answered->get_future().get();
  if (!result) return core::fail(std::move(result.error()));
  return {};
}

core::duration_us median_of(std::vector<core::duration_us> times) {
  std::ranges::sort(times);
  return times[times.size() / 2];
}

core::result<engine_bench_result> measure(engine::runner& with, const engine::run_request& request,
                                          unsigned repetitions) {
  std::vector<core::duration_us> wall, processor;
  for (unsigned i = 0; i <= repetitions; ++i) {
    const core::time_us wall_began_us = core::monotonic_now_us();
    const core::duration_us processor_began_us = processor_now_us();
    if (auto ok = run_once(with, request); !ok) return core::fail(ok.error());
    if (i == 0) continue; // pages and scratch memory are touched for the first time
    wall.push_back(core::monotonic_now_us() - wall_began_us);
    processor.push_back(processor_now_us() - processor_began_us);
  }
  const core::duration_us median_us = std::max<core::duration_us>(median_of(wall), 1);
  return engine_bench_result{.sequences_per_s =
                                 static_cast<double>(request.inputs.size()) * 1e6 / static_cast<double>(median_us),
                             .median_us = median_us,
                             .minimum_us = *std::ranges::min_element(wall),
                             .processor_us = median_of(processor),
                             .isa = {}};
}

} // namespace

core::result<engine_bench_result> run_engine_bench(const engine_bench_options& options) {
  const auto numbers = configuration_named(options);
  if (!numbers) return core::fail(numbers.error());
  const auto arch = models::encoder::architecture_of("bert", *numbers);
  const models::task job{.max_tokens = numbers->positions};
  const auto shards = models::layout_of(arch, job);
  uint64_t arena_bytes = 0;
  for (const auto& shard : shards) arena_bytes += shard.size_bytes;
  auto device = gpu::make_device("host", {"bench0", arena_bytes, options.threads});
  if (!device) return core::fail(device.error());

  core::prng random(seed);
  std::vector<gpu::lease> leases;
  engine::run_request request{.arch = arch,
                              .facts = *models::describe(arch),
                              .job = job,
                              .shards = {},
                              .inputs = inputs_of(options, numbers->vocabulary, random),
                              .give_up_at_us = std::numeric_limits<core::time_us>::max()};
  for (const auto& shard : shards) {
    auto memory = (*device)->memory().take(shard.size_bytes);
    if (!memory) return core::fail(memory.error());
    fill(shard, memory->region().address, random);
    request.shards.push_back({memory->region(), nullptr});
    leases.push_back(std::move(*memory));
  }
  engine::runner runner(**device);
  auto result = measure(runner, request, options.repetitions);
  if (result) result->isa = (*device)->info().isa;
  return result;
}

} // namespace fastptm::bench
