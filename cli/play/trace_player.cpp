// The inputs, the clock and the judgement of one play.
#include "cli/play/trace_player.hpp"

#include <cmath>

#include <fmt/format.h>

#include "core/random.hpp"

namespace fastptm::cli {

namespace {

constexpr size_t inputs_per_model = 4;
constexpr size_t tokens_per_input = 16;
constexpr int32_t least_vocabulary = 100; // no model here has fewer tokens
constexpr double same_answer = 1e-5;      // relative L2
constexpr core::duration_us alone_deadline_us = 30'000'000;
constexpr core::duration_us drain_us = 60'000'000;

double distance(const std::vector<float>& found, const std::vector<float>& expected) {
  if (found.size() != expected.size()) return INFINITY;
  double difference = 0, size = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    difference += std::pow(static_cast<double>(found[i]) - expected[i], 2);
    size += std::pow(static_cast<double>(expected[i]), 2);
  }
  return std::sqrt(difference / (size == 0 ? 1 : size));
}

} // namespace

trace_player::trace_player(clients::tenant_client& client, const sim::trace& trace, std::vector<std::string> models)
    : client_(client), trace_(trace), models_(std::move(models)), outcomes_(trace.requests.size()) {
  core::prng random(1);
  for (size_t i = 0; i < inputs_per_model; ++i) {
    clients::input one;
    for (size_t k = 0; k < tokens_per_input; ++k) {
      one.ids.push_back(static_cast<int32_t>(random.below(least_vocabulary - 1)) + 1);
    }
    inputs_.push_back(std::move(one));
  }
}

core::result<void> trace_player::ask_alone() {
  for (const auto& model : models_) {
    for (const auto& input : inputs_) {
      core::result<void> ended;
      client_.infer(model, core::task_kind::embed, input, alone_deadline_us, [&](clients::answer got) {
        if (!got.answered())
          ended = core::fail(core::errc::unavailable, fmt::format("{}: {}: {}", model, got.status, got.error));
        alone_.push_back(std::move(got.output));
      });
      while (client_.pending() > 0) client_.run_until_answer(core::monotonic_now_us() + alone_deadline_us);
      if (!ended) return ended;
    }
  }
  return {};
}

void trace_player::play() {
  const auto start_us = start_us_ = core::monotonic_now_us();
  const auto now_us = [start_us] { return core::monotonic_now_us() - start_us; };
  for (size_t i = 0; i < trace_.requests.size(); ++i) {
    const auto due_us = static_cast<core::time_us>(trace_.requests[i].arrival_ms * 1000);
    while (now_us() < due_us) client_.run_until(start_us + due_us);
    auto& mine = outcomes_[i];
    mine.sent_us = now_us();
    mine.input = i % inputs_per_model;
    client_.infer(models_[trace_.requests[i].model], core::task_kind::embed, inputs_[mine.input], deadline_us(i),
                  [&mine, now_us](clients::answer got) {
                    mine.answered_us = now_us();
                    mine.got = std::move(got);
                    mine.done = true;
                  });
  }
  const auto give_up_us = core::monotonic_now_us() + drain_us;
  while (client_.pending() > 0 && core::monotonic_now_us() < give_up_us) client_.run_until_answer(give_up_us);
  end_us_ = now_us();
}

core::duration_us trace_player::deadline_us(size_t i) const {
  return static_cast<core::duration_us>(
      std::llround((trace_.requests[i].deadline_ms - trace_.requests[i].arrival_ms) * 1000));
}

bool trace_player::is_wrong(size_t i) const {
  const auto& mine = outcomes_[i];
  const auto& expected = alone_[trace_.requests[i].model * inputs_per_model + mine.input];
  return mine.done && mine.got.answered() && distance(mine.got.output, expected) > same_answer;
}

} // namespace fastptm::cli
