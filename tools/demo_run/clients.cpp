// Plays a trace over clients/cpp/client, one thread per client.
#include "tools/demo_run/clients.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <thread>

#include "cli/connection.hpp"
#include "clients/cpp/client.hpp"
#include "core/mutex.hpp"

namespace fastptm::demo {

namespace {

// Answers that differ by more than this are wrong: far above rounding, far below what another model answers.
constexpr double same_distance = 1e-5;

double relative_distance(const std::vector<float>& found, const std::vector<float>& expected) {
  if (found.size() != expected.size() || expected.empty()) return INFINITY;
  double difference = 0, norm = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    difference += std::pow(static_cast<double>(found[i]) - expected[i], 2);
    norm += std::pow(static_cast<double>(expected[i]), 2);
  }
  const double distance = std::sqrt(difference / norm);
  return std::isfinite(distance) ? distance : INFINITY;
}

core::result<std::unique_ptr<clients::tenant_client>> connect(const target& where, const std::string& tenant) {
  cli::cluster_options options;
  options.state = where.state_folder;
  options.tenant = tenant;
  return cli::connect_tenant(options);
}

void run_until_idle(clients::tenant_client& client, core::duration_us at_most_us) {
  const auto end_us = core::monotonic_now_us() + at_most_us;
  while (client.pending() > 0 && core::monotonic_now_us() < end_us) client.run_until_answer(end_us);
}

clients::input text_input(const std::string& sentence) {
  clients::input what;
  what.text = sentence;
  what.is_text = true;
  return what;
}

// What the clients share; each takes the lock once per answer.
struct ledger {
  core::mutex mutex; // answers arrive on one thread per client
  outcome sum FASTPTM_GUARDED_BY(mutex);
  std::map<std::string, uint64_t> failures FASTPTM_GUARDED_BY(mutex);

  void enter(const clients::answer& got, const std::vector<float>& expected, core::duration_us latency_us) {
    const core::mutex_lock guard(mutex);
    if (!got.answered()) {
      ++sum.failed;
      ++failures[got.status];
      return;
    }
    ++(got.status == "ok" ? sum.on_time : sum.late);
    sum.loaded += got.loaded;
    sum.latency_us.push_back(latency_us);
    const double distance = relative_distance(got.output, expected);
    sum.worst_distance = std::max(sum.worst_distance, distance);
    sum.wrong += distance > same_distance;
  }
};

// One client's part of the trace: every request is sent when its time has come,
// whether or not earlier ones are answered.
core::result<void> play_part(const target& where, const std::string& tenant, const std::vector<planned_request>& part,
                             const reference_answers& expected, core::time_us start_us, ledger& entries,
                             std::atomic<uint64_t>& progress) {
  auto client = connect(where, tenant);
  if (!client) return core::fail(client.error());
  for (const auto& request : part) {
    (*client)->run_until(start_us + request.at_us);
    const auto sent_us = core::monotonic_now_us();
    const auto& alone = expected[request.model][request.sentence];
    (*client)->infer(where.models[request.model].full_name, core::task_kind::embed,
                     text_input(where.sentences[request.sentence]), request.deadline_us,
                     [&entries, &alone, &progress, sent_us](const clients::answer& got) {
                       entries.enter(got, alone, core::monotonic_now_us() - sent_us);
                       progress.fetch_add(1, std::memory_order_relaxed);
                     });
  }
  run_until_idle(**client, 30'000'000);
  return {};
}

} // namespace

core::duration_us outcome::latency_quantile_us(double q) const {
  if (latency_us.empty()) return 0;
  return latency_us[std::min(latency_us.size() - 1, static_cast<size_t>(q * static_cast<double>(latency_us.size())))];
}

core::result<reference_answers> ask_alone(const target& where) {
  reference_answers answers(where.models.size());
  for (size_t model = 0; model < where.models.size(); ++model) {
    auto client = connect(where, where.models[model].tenant);
    if (!client) return core::fail(client.error());
    for (const auto& sentence : where.sentences) {
      clients::answer got;
      (*client)->infer(where.models[model].full_name, core::task_kind::embed, text_input(sentence), 30'000'000,
                       [&got](clients::answer answer) { got = std::move(answer); });
      run_until_idle(**client, 60'000'000);
      if (!got.answered()) {
        return core::fail(core::errc::unavailable,
                          where.models[model].full_name + " answered " + got.status + ": " + got.error);
      }
      answers[model].push_back(std::move(got.output));
    }
  }
  return answers;
}

core::result<outcome> play(const target& where, const std::vector<planned_request>& trace,
                           const reference_answers& expected, uint32_t clients_per_tenant,
                           std::atomic<uint64_t>& progress) {
  struct client_part {
    std::string tenant;
    std::vector<planned_request> requests;
    core::result<void> end;
  };
  std::vector<client_part> parts;
  for (const auto& tenant : where.tenants) {
    for (uint32_t i = 0; i < clients_per_tenant; ++i) parts.push_back({tenant, {}, {}});
  }
  for (size_t i = 0; i < trace.size(); ++i) {
    const auto& tenant = where.models[trace[i].model].tenant;
    const auto first = std::find_if(parts.begin(), parts.end(), [&](const auto& p) { return p.tenant == tenant; });
    first[static_cast<ptrdiff_t>(i % clients_per_tenant)].requests.push_back(trace[i]);
  }
  ledger entries;
  const auto start_us = core::monotonic_now_us() + 200'000; // all are connected by then
  std::vector<std::thread> threads;
  for (auto& part : parts) {
    threads.emplace_back(
        [&] { part.end = play_part(where, part.tenant, part.requests, expected, start_us, entries, progress); });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& part : parts) {
    if (!part.end) return core::fail(part.end.error());
  }
  const core::mutex_lock guard(entries.mutex);
  auto sum = std::move(entries.sum);
  sum.wall_us = core::monotonic_now_us() - start_us;
  std::sort(sum.latency_us.begin(), sum.latency_us.end());
  sum.failures.assign(entries.failures.begin(), entries.failures.end());
  return sum;
}

} // namespace fastptm::demo
