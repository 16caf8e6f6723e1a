// Pairs of a bare copy and a fetch through the production path.
#include "bench/fetch_bench.hpp"

#include <algorithm>
#include <cstring>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

#include "bench/fetch_source.hpp"
#include "core/check.hpp"
#include "core/mutex.hpp"
#include "core/random.hpp"
#include "policy/fetch_plan.hpp"
#include "transport/probe.hpp"
#include "transport/same_host/backend.hpp"
#include "transport/sockets/backend.hpp"
#include "weights/format/hash.hpp"
#include "weights/load/loader.hpp"

namespace fastptm::bench {

namespace {

constexpr uint64_t shard_bytes = 16 << 20;
constexpr core::duration_us fetch_timeout_us = 30'000'000;

// One load's end, waited for by the measuring thread.
class finish_line {
public:
  void reach(core::result<void> outcome) {
    core::mutex_lock lock(mutex_);
    outcome_ = std::move(outcome);
    reached_.notify_one();
  }
  core::result<void> wait() {
    core::mutex_lock lock(mutex_);
    while (!outcome_) reached_.wait(lock);
    return *outcome_;
  }

private:
  core::mutex mutex_; // between the transport's thread and the measuring one
  core::condition reached_;
  std::optional<core::result<void>> outcome_ FASTPTM_GUARDED_BY(mutex_);
};

struct scene {
  fetch_bench_options options;
  std::vector<std::unique_ptr<fetch_source>> sources;
  std::unique_ptr<warm_memory> original; // what the sources hold, for the bare copy and the checksums
  std::unique_ptr<warm_memory> target;
  std::vector<std::vector<uint64_t>> checksums; // by shard
  transport::exporter nothing;
  std::unique_ptr<transport::fetcher> fetcher;
  std::unique_ptr<weights::verifier> checker;
  core::monotonic_clock clock;

  uint64_t shard_count() const { return (options.bytes + shard_bytes - 1) / shard_bytes; }
  core::memory_region shard(core::memory_region of, uint64_t i) const {
    return of.slice(i * shard_bytes, std::min(shard_bytes, options.bytes - i * shard_bytes));
  }
};

core::duration_us cpu_us(const scene& on) {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  auto sum = (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1'000'000 + used.ru_utime.tv_usec + used.ru_stime.tv_usec;
  for (const auto& source : on.sources) sum += source->cpu_us();
  return sum;
}

// -- fetched ----------------------------------------------------------------------------------------------------------

core::result<void> fetch_verified(scene& on) {
  std::vector<weights::shard_to_load> shards;
  shards.reserve(on.shard_count());
  for (uint64_t i = 0; i < on.shard_count(); ++i) shards.push_back({on.shard(on.target->region(), i), on.checksums[i]});
  finish_line end;
  weights::loader_callbacks callbacks;
  callbacks.done = [&end](core::result<void> outcome, const weights::load_report&) { end.reach(std::move(outcome)); };
  const auto load = weights::loader::make({}, std::move(shards), *on.checker, on.clock, std::move(callbacks));
  for (const auto& source : on.sources) {
    weights::load_source from;
    from.kind =
        on.options.way == transport::path::map ? policy::source_kind::host_cache : policy::source_kind::peer_device;
    from.peer = source->address();
    from.via = on.fetcher.get();
    for (uint32_t i = 0; i < on.shard_count(); ++i)
      from.holds.push_back({i, source->region().region, source->region().generation, i * shard_bytes});
    load->add_source(std::move(from));
  }
  load->start();
  return end.wait();
}

// The same plan and fetchers without the loader's verification.
class unverified_drive {
public:
  explicit unverified_drive(scene& on) : on_(on), plan_({}, std::vector<uint64_t>{on.options.bytes}) {
    for (size_t i = 0; i < on.sources.size(); ++i) {
      const auto number = plan_.add_source(policy::source_kind::peer_device, 0);
      plan_.add_holding(number, 0);
    }
  }
  core::result<void> run() {
    drive();
    return end_.wait();
  }

private:
  void drive() {
    std::vector<policy::chunk_fetch> fetches;
    {
      core::mutex_lock lock(mutex_);
      while (auto next = plan_.next(on_.clock.now_us())) fetches.push_back(*next);
    }
    for (const auto& fetch : fetches) {
      const auto& source = *on_.sources[fetch.source];
      transport::fetch_request request;
      request.source = {source.region().region, source.region().generation, fetch.offset_bytes, fetch.length_bytes};
      request.target = on_.target->region().slice(fetch.offset_bytes, fetch.length_bytes);
      request.timeout_us = fetch_timeout_us;
      const auto accepted = on_.fetcher->fetch(
          source.address(), request, [this, fetch](core::result<transport::fetched> got) { landed(fetch, got); });
      if (!accepted) end_.reach(core::fail(accepted.error()));
    }
  }

  void landed(const policy::chunk_fetch& fetch, const core::result<transport::fetched>& got) {
    if (!got) return end_.reach(core::fail(got.error()));
    bool done = false;
    {
      core::mutex_lock lock(mutex_);
      plan_.on_landed(fetch, on_.clock.now_us());
      done = plan_.on_verified(fetch);
    }
    if (done)
      end_.reach({});
    else
      drive();
  }

  scene& on_;
  core::mutex mutex_; // completions may come on several copy threads
  policy::fetch_plan plan_ FASTPTM_GUARDED_BY(mutex_);
  finish_line end_;
};

// -- the measurement --------------------------------------------------------------------------------------------------

core::result<void> prepare(scene& on) {
  const auto& options = on.options;
  const auto secret = core::random_secret_hex();
  for (unsigned i = 0; i < options.sources; ++i) {
    auto source = fetch_source::fork(
        {fmt::format("source-{}", i), options.bytes, 1, options.way == transport::path::map, secret});
    if (!source) return core::fail(source.error());
    on.sources.push_back(std::move(*source));
  }
  on.original = std::make_unique<warm_memory>(options.bytes);
  on.target = std::make_unique<warm_memory>(options.bytes);
  fill_with_pattern(on.original->region(), 1);
  for (uint64_t i = 0; i < on.shard_count(); ++i) {
    const auto shard = on.shard(on.original->region(), i);
    auto& sums = on.checksums.emplace_back();
    for (uint64_t at = 0; at < shard.size_bytes; at += weights::chunk_bytes)
      sums.push_back(
          weights::chunk_checksum(shard.address + at, std::min(weights::chunk_bytes, shard.size_bytes - at)));
  }
  on.checker = std::make_unique<weights::verifier>(1);
  if (options.way == transport::path::map) {
    transport::same_host::backend_options copying;
    copying.secret = secret;
    copying.copiers = std::make_shared<transport::copy_pool>(options.copy_threads);
    if (options.verify) copying.copy = weights::copy_and_checksum;
    on.fetcher = std::make_unique<transport::same_host::backend>(copying);
  } else {
    transport::sockets::backend_options asking;
    asking.secret = secret;
    if (options.way == transport::path::cma)
      asking.copiers = std::make_shared<transport::copy_pool>(options.copy_threads);
    if (options.verify) asking.fill = weights::fill_and_checksum;
    auto made = transport::sockets::backend::create(asking, on.nothing);
    if (!made) return core::fail(made.error());
    on.fetcher = std::move(*made);
  }
  return {};
}

core::result<core::duration_us> time_fetch(scene& on) {
  const auto start_us = on.clock.now_us();
  const auto done = on.options.verify ? fetch_verified(on) : unverified_drive(on).run();
  if (!done) return core::fail(done.error());
  return std::max<core::duration_us>(on.clock.now_us() - start_us, 1);
}

core::result<core::duration_us> time_bare(scene& on) {
  const auto target = on.target->region().slice(0, on.options.bytes);
  const auto source = on.original->region().slice(0, on.options.bytes);
  if (on.options.way == transport::path::tcp) return transport::bare_socket_us(target, source);
  return transport::bare_memcpy_us(target, source);
}

template <class T> T median(std::vector<T> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

// A fetch that left nothing in the target would be fast.
core::result<void> check_target(scene& on) {
  std::memset(on.target->region().address, 0, on.options.bytes);
  if (auto fetched = time_fetch(on); !fetched) return core::fail(fetched.error());
  if (std::memcmp(on.target->region().address, on.original->region().address, on.options.bytes) == 0) return {};
  return core::fail(core::errc::corrupt, "what was fetched is not what the sources hold");
}

core::result<void> check_path(scene& on) {
  const auto way = on.fetcher->path_to(on.sources.front()->address());
  if (way == on.options.way) return {};
  return core::fail(core::errc::unavailable,
                    fmt::format("bytes travel by {} here, not by {}: check UCX_TLS and ptrace rights", to_string(way),
                                to_string(on.options.way)));
}

} // namespace

core::result<fetch_bench_result> run_fetch_bench(const fetch_bench_options& options) {
  if (options.bytes == 0 || options.sources == 0 || options.repetitions == 0 ||
      options.way == transport::path::loopback)
    return core::fail(core::errc::invalid, "bench fetch: bytes and sources are at least 1, the path map, cma or tcp");
  scene on;
  on.options = options;
  if (auto prepared = prepare(on); !prepared) return core::fail(prepared.error());
  if (auto right = check_target(on); !right) return core::fail(right.error());
  if (auto right = check_path(on); !right) return core::fail(right.error());
  std::vector<core::duration_us> bare_us, fetch_us;
  std::vector<uint64_t> fractions_ppm;
  core::duration_us used_us = 0;
  for (unsigned i = 0; i < options.repetitions; ++i) {
    const auto bare = time_bare(on);
    if (!bare) return core::fail(bare.error());
    bare_us.push_back(*bare);
    const auto before_us = cpu_us(on);
    const auto took_us = time_fetch(on);
    if (!took_us) return core::fail(took_us.error());
    used_us += cpu_us(on) - before_us;
    fetch_us.push_back(*took_us);
    fractions_ppm.push_back(static_cast<uint64_t>(bare_us.back() * 1'000'000 / *took_us));
  }
  fetch_bench_result result;
  result.rate_bps = options.bytes * 1'000'000 / static_cast<uint64_t>(median(fetch_us));
  result.bare_bps = options.bytes * 1'000'000 / static_cast<uint64_t>(median(bare_us));
  result.fraction_ppm = static_cast<uint32_t>(median(fractions_ppm));
  result.cpu_us_per_gb = static_cast<uint64_t>(used_us) * 1'000'000'000 / (options.bytes * options.repetitions);
  return result;
}

} // namespace fastptm::bench
