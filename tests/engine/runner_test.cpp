// The engine against the double-precision reference, alone and in batches, resident and while its weights arrive.
#include "engine/runner.hpp"

#include <cmath>
#include <future>
#include <thread>

#include <gmock/gmock.h>

#include "gpu/host/device.hpp"
#include "tests/engine/placed_model.hpp"
#include "tests/engine/reference.hpp"
#include "tests/engine/watched_device.hpp"

namespace fastptm::engine {
namespace {

using testing::HasSubstr;

constexpr uint64_t seed = 20'240'229;
constexpr double tolerance = 1e-5; // what f32 is held to against the truth

models::encoder::config shape(uint32_t hidden, uint32_t heads,
                              models::encoder::activation act = models::encoder::activation::gelu_erf) {
  return {.hidden = hidden,
          .layers = 2,
          .heads = heads,
          .intermediate = 2 * hidden + 3,
          .vocabulary = 97,
          .positions = 300,
          .token_types = 2,
          .act = act,
          .layer_norm_eps = 1e-12};
}

models::task embedding(models::pooling pool, bool normalize) {
  return {.kind = models::task_kind::embed, .pool = pool, .normalize = normalize, .max_tokens = 300};
}

models::task classification(uint32_t labels) {
  return {.kind = models::task_kind::classify, .has_pooler = true, .labels = labels, .max_tokens = 300};
}

double distance(const std::vector<float>& a, const std::vector<double>& b) {
  EXPECT_EQ(a.size(), b.size());
  double difference = 0, norm = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    norm += b[i] * b[i];
  }
  return difference >= 0 ? std::sqrt(difference / norm) : INFINITY; // a NaN is no success
}

class Runner : public testing::Test {
protected:
  void SetUp() override {
    RecordProperty("seed", std::to_string(seed));
    make_device(gpu::host::best_isa(), 2);
  }

  void make_device(gpu::host::isa set, unsigned threads) {
    runner_.reset();
    auto made = gpu::host::make_host_device({"host0", 32u << 20, threads}, set);
    ASSERT_TRUE(made) << made.error().message;
    device_ = std::move(*made);
    runner_ = std::make_unique<runner>(*device_);
  }

  sequence random_sequence(size_t length, bool with_types = false) {
    sequence made;
    for (size_t i = 0; i < length; ++i) {
      made.ids.push_back(static_cast<int32_t>(random_.below(97)));
      if (with_types) made.token_types.push_back(static_cast<int32_t>(random_.below(2)));
    }
    return made;
  }

  std::vector<sequence> random_sequences(const std::vector<size_t>& lengths) {
    std::vector<sequence> made;
    for (const size_t length : lengths) made.push_back(random_sequence(length, random_.below(2) == 1));
    return made;
  }

  std::future<core::result<run_result>> submit(run_request request) {
    auto promise = std::make_shared<std::promise<core::result<run_result>>>();
    auto accepted = runner_->submit(std::move(request),
                                    [promise](core::result<run_result> r) { promise->set_value(std::move(r)); });
    if (!accepted) promise->set_value(core::fail(accepted.error()));
    return promise->get_future();
  }

  std::vector<std::vector<float>> run(const placed_model& model, std::vector<sequence> inputs) {
    auto result = submit(model.request(std::move(inputs))).get();
    EXPECT_TRUE(result) << result.error().message;
    return result ? std::move(result->rows) : std::vector<std::vector<float>>{};
  }

  // The same device, computing before the test's eyes.
  watched_device& watch() {
    runner_.reset();
    watched_ = std::make_unique<watched_device>(*device_);
    runner_ = std::make_unique<runner>(*watched_);
    return *watched_;
  }

  // Ends after a while though its shards never come, so that a test that fails also ends.
  static run_request patient(run_request request) {
    request.give_up_at_us = core::monotonic_now_us() + 15'000'000;
    return request;
  }

  core::prng random_{seed};
  std::unique_ptr<gpu::device> device_;
  std::unique_ptr<watched_device> watched_;
  std::unique_ptr<runner> runner_;
};

TEST_F(Runner, EmbedsAsTheReferenceWhateverTheHeadWidth) {
  for (const auto& arch : {shape(64, 2), shape(128, 2), shape(60, 3), shape(256, 2), shape(5, 5)}) {
    const auto model = reference::random_model(arch, embedding(models::pooling::mean, false), random_);
    const placed_model placed(*device_, model);
    const auto inputs = random_sequences({1, 7, 64, 129, 300});
    const auto rows = run(placed, inputs);
    ASSERT_EQ(rows.size(), inputs.size());
    for (size_t i = 0; i < inputs.size(); ++i) {
      EXPECT_LT(distance(rows[i], reference::run(model, inputs[i])), tolerance)
          << arch.hidden << "/" << arch.heads << ", input " << i;
    }
  }
}

TEST_F(Runner, EmbedsAlikeOnEveryInstructionSet) {
  const auto model = reference::random_model(shape(96, 3), embedding(models::pooling::mean, true), random_);
  const auto inputs = random_sequences({33, 100});
  for (const auto set : {gpu::host::isa::portable, gpu::host::isa::avx2, gpu::host::isa::avx512}) {
    if (!gpu::host::is_supported(set)) continue;
    make_device(set, 1);
    const placed_model placed(*device_, model);
    const auto rows = run(placed, inputs);
    for (size_t i = 0; i < inputs.size(); ++i) {
      EXPECT_LT(distance(rows[i], reference::run(model, inputs[i])), tolerance) << gpu::host::to_string(set);
    }
  }
}

TEST_F(Runner, PoolsAsTheTaskSays) {
  for (const auto pool :
       {models::pooling::mean, models::pooling::cls, models::pooling::max, models::pooling::mean_sqrt_len}) {
    for (const bool normalize : {false, true}) {
      const auto model = reference::random_model(shape(48, 3), embedding(pool, normalize), random_);
      const placed_model placed(*device_, model);
      const auto inputs = random_sequences({21, 2});
      const auto rows = run(placed, inputs);
      for (size_t i = 0; i < inputs.size(); ++i) {
        EXPECT_LT(distance(rows[i], reference::run(model, inputs[i])), tolerance) << to_string(pool) << normalize;
      }
    }
  }
}

TEST_F(Runner, LeavesTheFirstTokensOutOfThePoolingWhereItIsTold) {
  for (const auto pool :
       {models::pooling::mean, models::pooling::cls, models::pooling::max, models::pooling::mean_sqrt_len}) {
    const auto model = reference::random_model(shape(48, 3), embedding(pool, true), random_);
    const placed_model placed(*device_, model);
    auto inputs = random_sequences({21, 9, 2});
    inputs[0].unpooled = 20;
    inputs[1].unpooled = 3;
    const auto rows = run(placed, inputs);
    for (size_t i = 0; i < inputs.size(); ++i)
      EXPECT_LT(distance(rows[i], reference::run(model, inputs[i])), tolerance) << to_string(pool) << ", input " << i;
  }
}

TEST_F(Runner, ClassifiesAsTheReferenceWithEveryActivation) {
  for (const auto act : {models::encoder::activation::gelu_erf, models::encoder::activation::gelu_tanh,
                         models::encoder::activation::relu}) {
    for (const uint32_t labels : {2u, 3u, 50u}) {
      const auto model = reference::random_model(shape(64, 2, act), classification(labels), random_);
      const placed_model placed(*device_, model);
      const auto inputs = random_sequences({12, 80, 3});
      const auto rows = run(placed, inputs);
      for (size_t i = 0; i < inputs.size(); ++i) {
        EXPECT_LT(distance(rows[i], reference::run(model, inputs[i])), tolerance) << labels;
      }
    }
  }
}

TEST_F(Runner, IgnoresAPoolerThatAnEmbeddingModelBrings) {
  auto job = embedding(models::pooling::mean, false);
  job.has_pooler = true;
  const auto model = reference::random_model(shape(64, 2), job, random_);
  placed_model placed(*device_, model);
  const auto input = random_sequence(10);
  EXPECT_LT(distance(run(placed, {input})[0], reference::run(model, input)), tolerance);
}

// As DistilBERT has it.
TEST_F(Runner, ComputesEncodersWithoutTypesAndWithAnotherPoolerAsTheReference) {
  auto numbers = shape(64, 2);
  numbers.token_types = 0;
  numbers.pooler_act = models::encoder::activation::relu;
  for (const auto& job : {classification(3), embedding(models::pooling::mean, true)}) {
    const auto model = reference::random_model(numbers, job, random_);
    const placed_model placed(*device_, model);
    for (const size_t length : {1, 17, 200}) {
      const auto input = random_sequence(length);
      EXPECT_LT(distance(run(placed, {input})[0], reference::run(model, input)), tolerance) << length;
    }
  }
}

TEST_F(Runner, GivesASequenceTheSameBitsAloneAndInAnyBatch) {
  const auto model = reference::random_model(shape(64, 2), embedding(models::pooling::mean, true), random_);
  const placed_model placed(*device_, model);
  // 31 sequences, more rows than one pass takes.
  std::vector<size_t> lengths;
  for (int i = 0; i < 31; ++i) lengths.push_back(1 + random_.below(120));
  const auto inputs = random_sequences(lengths);
  const auto together = run(placed, inputs);
  auto reversed_inputs = inputs;
  std::reverse(reversed_inputs.begin(), reversed_inputs.end());
  const auto reversed = run(placed, reversed_inputs);
  for (size_t i = 0; i < inputs.size(); ++i) {
    EXPECT_EQ(run(placed, {inputs[i]})[0], together[i]) << "input " << i << " of " << lengths[i] << " tokens";
    EXPECT_EQ(reversed[inputs.size() - 1 - i], together[i]);
  }
}

TEST_F(Runner, GivesTheSameBitsWithAnyNumberOfThreads) {
  const auto model = reference::random_model(shape(64, 2), classification(4), random_);
  const auto inputs = random_sequences({50, 13, 200});
  std::vector<std::vector<std::vector<float>>> answers;
  for (const unsigned threads : {1u, 2u, 5u}) {
    make_device(gpu::host::best_isa(), threads);
    answers.push_back(run(placed_model(*device_, model), inputs));
  }
  EXPECT_EQ(answers[0], answers[1]);
  EXPECT_EQ(answers[0], answers[2]);
}

TEST_F(Runner, AnswersOneModelAsIfNoOtherHadRunBetween) {
  const auto first = reference::random_model(shape(64, 2), embedding(models::pooling::mean, false), random_);
  const auto second = reference::random_model(shape(64, 2), embedding(models::pooling::mean, false), random_);
  const auto other = reference::random_model(shape(128, 4), classification(3), random_);
  const placed_model a(*device_, first), b(*device_, second), c(*device_, other);
  const auto input = random_sequence(40);
  const auto before = run(a, {input});
  EXPECT_NE(run(b, {input}), before);
  run(c, {random_sequence(100)});
  EXPECT_EQ(run(a, {input}), before);
}

TEST_F(Runner, ServesMoreArchitecturesThanItKeepsSkeletons) {
  for (int round = 0; round < 2; ++round) {
    for (uint32_t heads = 1; heads <= 20; ++heads) {
      const auto model =
          reference::random_model(shape(4 * heads, heads), embedding(models::pooling::cls, false), random_);
      const placed_model placed(*device_, model);
      const auto input = random_sequence(5);
      EXPECT_LT(distance(run(placed, {input})[0], reference::run(model, input)), tolerance) << heads;
    }
  }
}

TEST_F(Runner, ComputesLayersWhileLaterOnesAreStillOnTheWay) {
  const auto model = reference::random_model(shape(64, 2), classification(3), random_);
  placed_model placed(*device_, model, placing::later);
  auto& watched = watch();
  const auto input = random_sequence(30);
  auto answer = submit(patient(placed.request({input})));
  // Until it arrives a shard is all NaN: using one too early would show in the result.
  placed.arrive(0);
  placed.arrive(1);
  ASSERT_TRUE(watched.await_attentions(1)) << "the first layer waits for more than its shard";
  placed.arrive(2);
  ASSERT_TRUE(watched.await_attentions(2)) << "the second layer waits for the head";
  const auto last_at_us = core::monotonic_now_us();
  placed.arrive(3);
  const auto result = answer.get();
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_LT(distance(result->rows[0], reference::run(model, input)), tolerance);
  EXPECT_GE(result->first_layer_at_us, result->began_us);
  EXPECT_LE(result->first_layer_at_us, last_at_us);
  EXPECT_LE(result->waited_us, result->run_us);
}

TEST_F(Runner, WaitsForAShardOnlyWhereItIsNeeded) {
  const auto model = reference::random_model(shape(64, 2), classification(3), random_);
  placed_model placed(*device_, model, placing::later);
  auto& watched = watch();
  auto answer = submit(patient(placed.request({random_sequence(30)})));
  placed.fail(3, {core::errc::corrupt, "no source had the right bytes"});
  placed.arrive(0);
  placed.arrive(1);
  // Shard 2 is missing: the failure of shard 3 is not reached yet, and does not keep the first layer from computing.
  ASSERT_TRUE(watched.await_attentions(1));
  EXPECT_EQ(answer.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  placed.arrive(2);
  const auto result = answer.get();
  ASSERT_FALSE(result);
  EXPECT_TRUE(watched.await_attentions(2)) << "the second layer needs nothing of the head";
  EXPECT_EQ(result.error().code, core::errc::corrupt);
  EXPECT_THAT(result.error().message, HasSubstr("shard 3 of 4"));
}

TEST_F(Runner, GivesUpOnAShardThatDoesNotCome) {
  const auto model = reference::random_model(shape(64, 2), embedding(models::pooling::mean, false), random_);
  placed_model placed(*device_, model, placing::later);
  placed.arrive(0);
  auto request = placed.request({random_sequence(3)});
  request.give_up_at_us = core::monotonic_now_us() + 3'000;
  const auto result = submit(std::move(request)).get();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, core::errc::deadline_exceeded);
  EXPECT_THAT(result.error().message, HasSubstr("shard 1 of 3"));
  placed.arrive(1);
  placed.arrive(2);
  EXPECT_EQ(run(placed, {random_sequence(3)}).size(), 1u);
}

TEST_F(Runner, RefusesInputsThatTheModelCannotTake) {
  const auto model = reference::random_model(shape(64, 2), embedding(models::pooling::mean, false), random_);
  const placed_model placed(*device_, model);
  const auto refusal = [&](std::vector<sequence> inputs) {
    const auto result = submit(placed.request(std::move(inputs))).get();
    EXPECT_FALSE(result);
    EXPECT_EQ(result ? core::errc{} : result.error().code, core::errc::invalid);
    return result ? "" : result.error().message;
  };
  EXPECT_THAT(refusal({}), HasSubstr("0 inputs"));
  EXPECT_THAT(refusal({{}}), HasSubstr("no tokens"));
  EXPECT_THAT(refusal({{{1}, {}}, {{1, 97}, {}}}), HasSubstr("input 1: token id 97 at place 1"));
  EXPECT_THAT(refusal({{{-1}, {}}}), HasSubstr("token id -1"));
  EXPECT_THAT(refusal({{{1}, {2}}}), HasSubstr("token type 2"));
  EXPECT_THAT(refusal({{{1, 2}, {0}}}), HasSubstr("1 token types for 2 ids"));
  EXPECT_THAT(refusal({{{1, 2}, {}, 2}}), HasSubstr("leaves no token"));
  EXPECT_THAT(refusal({{std::vector<int32_t>(301, 1), {}}}), HasSubstr("301 tokens, bert-2x64-f32 reads at most 300"));
  EXPECT_THAT(refusal(std::vector<sequence>(5'000, {{1}, {}})), HasSubstr("5000 inputs"));
}

TEST_F(Runner, RefusesShardsThatAreNotTheModels) {
  const auto model = reference::random_model(shape(64, 2), embedding(models::pooling::mean, false), random_);
  const placed_model placed(*device_, model);
  auto too_few = placed.request({random_sequence(3)});
  too_few.shards.pop_back();
  EXPECT_EQ(submit(std::move(too_few)).get().error().code, core::errc::invalid);
  auto too_small = placed.request({random_sequence(3)});
  too_small.shards[1].region.size_bytes -= 4096;
  EXPECT_EQ(submit(std::move(too_small)).get().error().code, core::errc::invalid);
}

TEST_F(Runner, SaysBusyWithoutCallingBackWhenTheDeviceIsFull) {
  const auto model = reference::random_model(shape(64, 2), embedding(models::pooling::mean, false), random_);
  const placed_model placed(*device_, model);
  std::promise<void> began, go_on;
  ASSERT_TRUE(device_->execute([&] {
    began.set_value();
    go_on.get_future().wait();
  }));
  began.get_future().wait();
  std::atomic<size_t> called{0};
  const auto count = [&](core::result<run_result>) { ++called; };
  for (size_t i = 0; i < gpu::device::queue_bound; ++i)
    ASSERT_TRUE(runner_->submit(placed.request({random_sequence(2)}), count));
  const auto refused = runner_->submit(placed.request({random_sequence(2)}), count);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, core::errc::busy);
  go_on.set_value();
  runner_.reset(); // waits for what was accepted
  EXPECT_EQ(called, gpu::device::queue_bound);
}

} // namespace
} // namespace fastptm::engine
