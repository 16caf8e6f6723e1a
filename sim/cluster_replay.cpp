// The loop over arrivals and completions, each one a decision of the core.
#include "sim/cluster_replay.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <numeric>

#include <fmt/format.h>

#include "core/check.hpp"
#include "sim/gpu_world.hpp"

namespace fastptm::sim {

namespace {

using namespace policy::scheduling;
using policy::model_index;
using policy::shard_size;

constexpr uint32_t one_in = 8; // Decisions that are timed: reading the clock costs as much as a cheap decision.

double cpu_s() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

core::result<void> check(const cluster_options& o) {
  const auto bad = [](const std::string& what) { return core::fail(core::errc::invalid, what); };
  if (o.gpus < 1 || o.gpus > 65'536) return bad("--gpus must be 1 to 65536");
  if (o.gpus_per_node < 1 || o.gpus_per_node > 1024) return bad("--gpus-per-node must be 1 to 1024");
  if (!(o.pool_gb > 0 && o.pool_gb <= 1e5)) return bad("--pool-gb must be above 0 and at most 100000");
  if (!(o.rate > 0 && o.rate <= 1e6)) return bad("--rate must be above 0 and at most 1e6");
  if (o.max_batch < 1 || o.max_batch > 4096) return bad("--max-batch must be 1 to 4096");
  if (o.copy_engines < 1 || o.copy_engines > 64) return bad("--copy-engines must be 1 to 64");
  for (const double gb : o.links_gb)
    if (!(gb > 0 && gb <= 1e5)) return bad("--links must be three rates in GB/s above 0");
  if (o.speeds.empty()) return bad("--speeds must name at least one");
  for (const double speed : o.speeds)
    if (!(speed >= 0.01 && speed <= 100)) return bad("--speeds must be 0.01 to 100");
  for (const double prior : {o.execution_prior, o.links_prior})
    if (!(prior >= 0.01 && prior <= 100)) return bad("--execution-prior and --links-prior must be 0.01 to 100");
  return {};
}

options core_options(const cluster_options& o) {
  options c;
  c.strategy = o.policy;
  c.max_batch = o.max_batch;
  c.layers = 1;
  c.load_base_us = 0;
  c.peer_bytes_per_s = static_cast<uint64_t>(o.links_prior * o.links_gb[0] * 1e9);
  c.home_bytes_per_s = static_cast<uint64_t>(o.links_prior * o.links_gb[1] * 1e9);
  c.remote_bytes_per_s = static_cast<uint64_t>(o.links_prior * o.links_gb[2] * 1e9);
  c.late_patience_us = 0;
  return c;
}

// A request in the core: where it came from. Slots are used again, the latest first.
class open_requests {
public:
  uint32_t take(uint32_t request) {
    if (free_.empty()) {
      requests_.push_back(request);
      return static_cast<uint32_t>(requests_.size()) - 1;
    }
    const uint32_t slot = free_.back();
    free_.pop_back();
    requests_[slot] = request;
    return slot;
  }
  uint32_t give_back(uint32_t slot) {
    free_.push_back(slot);
    return requests_[slot];
  }
  uint32_t of(uint32_t slot) const { return requests_[slot]; }

private:
  std::vector<uint32_t> requests_, free_;
};

class cluster_replayer {
public:
  cluster_replayer(const workload& w, const cluster_options& o, std::unique_ptr<scheduling_core> core)
      : w_(w), core_(std::move(core)), world_(w, o.gpus, o.gpus_per_node, o.copy_engines, o.links_gb, o.speeds),
        running_(o.gpus), rate_(o.rate),
        tells_(o.execution_prior != 1.0 || o.links_prior != 1.0 || o.speeds.size() > 1), places_(w.class_of.size()),
        served_of_(w.class_of.size()), asked_of_(w.class_of.size()) {
    for (const workload_class& c : w.classes) deadline_us_.push_back(std::llround(c.deadline_ms * 1000));
    set_up(o);
  }

  void run() {
    const size_t n = w_.requests.size();
    size_t next = 0;
    core::time_us next_us = at_us(0);
    for (;;) {
      if (!world_.coming().empty() && world_.coming().next_us() <= next_us &&
          (timer_us_ == 0 || world_.coming().next_us() <= timer_us_)) {
        now_us_ = world_.coming().next_us();
        finish(world_.coming().pop());
      } else if (timer_us_ != 0 && timer_us_ <= next_us) {
        now_us_ = std::exchange(timer_us_, 0);
        decide(timer{});
      } else if (next < n) {
        now_us_ = next_us;
        const uint32_t model = w_.requests[next].model;
        const uint32_t slot = open_.take(static_cast<uint32_t>(next));
        next_us = ++next < n ? at_us(next) : never_us;
        decide(arrival{{slot, 0}, {model}, now_us_ + deadline_us_[w_.class_of[model]]});
      } else {
        return;
      }
    }
  }

  cluster_result result(const cluster_options& o, double seconds) const;

private:
  static constexpr core::time_us never_us = std::numeric_limits<core::time_us>::max();
  struct running_batch {
    std::vector<uint32_t> slots;
    core::duration_us takes_us = 0;
  };

  core::time_us at_us(size_t i) const {
    const uint64_t t = w_.requests[i].at_us;
    return static_cast<core::time_us>(rate_ == 1.0 ? t : static_cast<uint64_t>(static_cast<double>(t) / rate_));
  }

  void set_up(const cluster_options& o) {
    const uint32_t nodes = (o.gpus + o.gpus_per_node - 1) / o.gpus_per_node;
    core_->on(tenant_added{.tenant = {0}, .late = o.refuse_late ? late_rule::refuse : late_rule::serve}, 0, out_);
    for (uint32_t x = 0; x < w_.class_of.size(); ++x) {
      const workload_class& c = w_.classes[w_.class_of[x]];
      const std::array shards{shard_size{{x}, static_cast<uint64_t>(c.bytes)}};
      core_->on(model_added{.model = {x},
                            .shards = shards,
                            .cost = {std::llround(o.execution_prior * c.base_ms * 1000),
                                     std::max(1LL, std::llround(o.execution_prior * c.each_ms * 1000))},
                            .cost_class = w_.class_of[x],
                            .home_host = x % nodes},
                0, out_);
    }
    for (uint32_t d = 0; d < o.gpus; ++d)
      core_->on(device_joined{.device = {d},
                              .arena_bytes = static_cast<uint64_t>(o.pool_gb * 1e9),
                              .copy_engines = o.copy_engines,
                              .host = d / o.gpus_per_node,
                              .kind = static_cast<uint32_t>(d % o.speeds.size())},
                0, out_);
  }

  void decide(const event& what) {
    if (++calls_ % one_in == 0) {
      const auto begin = std::chrono::steady_clock::now();
      core_->on(what, now_us_, out_);
      const auto end = std::chrono::steady_clock::now();
      clock_.add(static_cast<uint64_t>(std::chrono::nanoseconds(end - begin).count()));
    } else {
      core_->on(what, now_us_, out_);
    }
    for (const command& c : out_.all()) carry_out(c);
  }

  void carry_out(const command& c) {
    if (const auto* r = std::get_if<policy::scheduling::run>(&c)) {
      auto& batch = running_[r->device.value];
      core::check(batch.slots.empty(), "a GPU gets a batch while it runs another");
      for (const request_ref q : out_.requests_of(*r)) batch.slots.push_back(q.slot);
      batch.takes_us = world_.begin(now_us_, *r);
    } else if (const auto* f = std::get_if<refuse>(&c)) {
      ++dropped_;
      ++asked_of_[w_.requests[open_.give_back(f->request.slot)].model];
    } else if (const auto* t = std::get_if<set_timer>(&c)) {
      timer_us_ = t->at_us;
    } else if (const auto* l = std::get_if<load>(&c)) {
      if (places_[l->model.value]++ > 0) {
        ++copies_;
        copied_bytes_ += static_cast<uint64_t>(w_.classes[w_.class_of[l->model.value]].bytes);
      }
      world_.begin(now_us_, *l);
    } else if (const auto* e = std::get_if<evict>(&c)) {
      --places_[e->model.value];
      world_.begin(now_us_, *e);
    }
  }

  void finish(const gpu_event& e) {
    if (e.what == gpu_event::kind::load_done) {
      const gpu_load done = world_.loaded(e.gpu, e.id);
      return decide(tells_ ? load_done{{e.gpu}, {e.id}, done.bytes, done.took_us} : load_done{{e.gpu}, {e.id}});
    }
    auto& slots = running_[e.gpu].slots;
    for (const uint32_t slot : slots) {
      const uint32_t request = open_.give_back(slot);
      const uint32_t model = w_.requests[request].model;
      const core::duration_us took_us = now_us_ - at_us(request);
      latency_.add(static_cast<uint64_t>(took_us));
      const bool good = took_us <= deadline_us_[w_.class_of[model]];
      (good ? on_time_ : late_) += 1;
      served_of_[model] += good ? 1 : 0;
      ++asked_of_[model];
    }
    slots.clear();
    decide(batch_done{{e.gpu}, {e.id}, tells_ ? running_[e.gpu].takes_us : 0});
  }

  const workload& w_;
  std::unique_ptr<scheduling_core> core_;
  gpu_world world_;
  open_requests open_;
  std::vector<running_batch> running_; // By GPU.
  commands out_;
  double rate_;
  bool tells_;                                 // What batches and loads took.
  std::vector<core::duration_us> deadline_us_; // By class.
  core::time_us now_us_ = 0, timer_us_ = 0;
  uint64_t on_time_ = 0, late_ = 0, dropped_ = 0, calls_ = 0;
  uint64_t copies_ = 0, copied_bytes_ = 0;
  std::vector<uint32_t> places_;               // GPUs that have the set, or will, by model.
  std::vector<uint32_t> served_of_, asked_of_; // On time, and all, by model.
  decision_clock clock_, latency_;
};

cluster_result cluster_replayer::result(const cluster_options& o, double seconds) const {
  cluster_result r;
  r.requests = w_.requests.size();
  r.on_time = on_time_;
  r.late = late_;
  r.dropped = dropped_;
  core::check(on_time_ + late_ + dropped_ == r.requests, "a request was lost or answered twice");
  r.loads = world_.loads();
  r.copies = copies_;
  r.copied_bytes = copied_bytes_;
  const double span_s = std::max(1e-6, 1e-6 * static_cast<double>(at_us(r.requests - 1)));
  r.offered_rps = static_cast<double>(r.requests) / span_s;
  r.goodput_rps = static_cast<double>(on_time_) / span_s;
  r.on_time_ppm = on_time_ * 1'000'000 / r.requests;
  std::vector<uint64_t> by_model;
  constexpr uint32_t least_asked = 100;
  for (size_t x = 0; x < asked_of_.size(); ++x)
    if (asked_of_[x] >= least_asked) by_model.push_back(uint64_t{served_of_[x]} * 1'000'000 / asked_of_[x]);
  std::sort(by_model.begin(), by_model.end());
  if (!by_model.empty()) {
    r.worst_model_ppm = by_model.front();
    r.median_model_ppm = by_model[by_model.size() / 2];
  }
  r.bytes_by_source = world_.bytes_by_source();
  r.p50_us = latency_.percentile_ns(0.5);
  r.p99_us = latency_.percentile_ns(0.99);
  r.p999_us = latency_.percentile_ns(0.999);
  const double gpu_us = static_cast<double>(now_us_) * o.gpus;
  r.lane_use = static_cast<double>(world_.busy_us()) / gpu_us;
  r.engine_use = static_cast<double>(world_.copying_us()) / (gpu_us * o.copy_engines);
  r.requests_per_s_core = static_cast<double>(r.requests) / seconds;
  r.decisions = clock_.summary(calls_);
  r.p999_decision_ns = clock_.percentile_ns(0.999);
  return r;
}

} // namespace

core::result<cluster_result> replay_cluster(const workload& w, const cluster_options& chosen) {
  if (const auto good = check(chosen); !good) return core::fail(good.error());
  auto core = make_core(core_options(chosen));
  if (!core) return core::fail(core.error());
  cluster_replayer r(w, chosen, std::move(*core));
  const double begin = cpu_s();
  r.run();
  return r.result(chosen, cpu_s() - begin);
}

uint64_t cluster_result::bytes() const {
  return std::accumulate(bytes_by_source.begin(), bytes_by_source.end(), uint64_t{0});
}

std::string to_json(const cluster_result& r) {
  return fmt::format(
      "{{\"requests\":{},\"offered_rps\":{:.0f},\"goodput_rps\":{:.0f},\"on_time_ppm\":{},\"loads\":{},\"copies\":{},"
      "\"bytes_by_source\":{{\"peer_device\":{},\"host_cache\":{},\"peer_host\":{}}},\"on_time\":{},\"late\":{},"
      "\"dropped\":{},"
      "\"p50_us\":{},\"p99_us\":{},\"p999_us\":{},\"worst_model_ppm\":{},\"median_model_ppm\":{},\"lane_use\":{:.3f},"
      "\"engine_use\":{:.3f},\"requests_per_s_core\":{:.0f},\"decisions\":{},\"decision_ns_p50\":{},\"decision_ns_"
      "p99\":{},"
      "\"decision_ns_p999\":{}}}",
      r.requests, r.offered_rps, r.goodput_rps, r.on_time_ppm, r.loads, r.copies, r.bytes_by_source[0],
      r.bytes_by_source[1], r.bytes_by_source[2], r.on_time, r.late, r.dropped, r.p50_us, r.p99_us, r.p999_us,
      r.worst_model_ppm, r.median_model_ppm, r.lane_use, r.engine_use, r.requests_per_s_core, r.decisions.decisions,
      r.decisions.p50_ns, r.decisions.p99_ns, r.p999_decision_ns);
}

} // namespace fastptm::sim
