// One stage of a load is slow on purpose, by an amount that a seed draws: the report names it. In virtual time.
#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <string_view>

#include <gtest/gtest.h>

#include "actors/actor_from_state.hpp"
#include "actors/deterministic_system.hpp"
#include "actors/device/gpu_worker.hpp"
#include "core/random.hpp"
#include "engine/runner.hpp"
#include "gpu/host/device.hpp"
#include "tests/actors/device/gpu_worker_rig.hpp"
#include "tests/support/recording_actors.hpp"
#include "tests/support/weight_sets.hpp"

namespace fastptm::actors {
namespace {

using namespace protocol;

constexpr core::duration_us step_us = 20;

// How long each part of the load takes; that of one of them is drawn far above the others'.
struct costs {
  core::duration_us decide = 0, queue = 0, evict = 0, bind = 0, plan = 0, disk = 0, await = 0, first_byte = 0,
                    fetch = 0, verify = 0, busy = 0, retry = 0;
};
constexpr std::array<std::pair<std::string_view, core::duration_us costs::*>, 12> stages{{
    {"decide", &costs::decide},
    {"queue", &costs::queue},
    {"evict", &costs::evict},
    {"bind", &costs::bind},
    {"plan", &costs::plan},
    {"disk", &costs::disk},
    {"await", &costs::await},
    {"first_byte", &costs::first_byte},
    {"fetch", &costs::fetch},
    {"verify", &costs::verify},
    {"busy", &costs::busy},
    {"retry", &costs::retry},
}};

// A link per node that carries one fetch after the other. No byte is touched, and no checksum computed.
class timed_fetcher final : public transport::fetcher {
public:
  struct link {
    core::duration_us first_byte_us = 0; // of the first fetch
    uint64_t rate_bps = 10'000'000'000;
    core::duration_us busy_us = 0;  // it refuses so long after the first question
    core::duration_us fails_us = 0; // so long after a question it turns out to be dead; 0: it lives
    std::optional<core::time_us> asked_us{};
    core::time_us free_us = 0;
  };

  explicit timed_fetcher(const core::clock& clock) : clock_(clock) {}

  core::result<transport::fetch_id> fetch(const transport::peer_address& peer, const transport::fetch_request& request,
                                          transport::fetch_done done) override {
    const auto now = clock_.now_us();
    auto& over = links[peer.node];
    if (!over.asked_us) {
      over.asked_us = now;
      over.free_us = now + over.first_byte_us;
    }
    flight made{{++last_id_}, now, request, std::move(done), {}};
    if (now < *over.asked_us + over.busy_us) {
      made.fails_as = core::errc::busy;
    } else if (over.fails_us > 0) {
      made.due_us = now + over.fails_us;
      made.fails_as = core::errc::unavailable;
    } else {
      const auto takes_us = static_cast<core::duration_us>(request.source.length_bytes * 1'000'000 / over.rate_bps);
      made.due_us = over.free_us = std::max(over.free_us, now) + takes_us;
    }
    flights_.push_back(std::move(made));
    return transport::fetch_id{last_id_};
  }
  void cancel(transport::fetch_id id) override {
    for (auto& one : flights_) {
      if (one.id != id) continue;
      one.due_us = clock_.now_us();
      one.fails_as = core::errc::cancelled;
    }
  }
  void close_peer(std::string_view, uint64_t) override {}
  transport::path path_to(const transport::peer_address&) const override { return transport::path::loopback; }

  bool progress() {
    const auto due = std::ranges::find_if(flights_, [&](const flight& one) { return one.due_us <= clock_.now_us(); });
    if (due == flights_.end()) return false;
    const auto one = std::move(*due);
    flights_.erase(due);
    if (one.fails_as)
      one.done(core::fail(*one.fails_as, "as the test wants it"));
    else
      one.done(transport::fetched{one.request.source.length_bytes, 1, transport::path::loopback, {}});
    return true;
  }

  std::map<std::string, link> links;

private:
  struct flight {
    transport::fetch_id id;
    core::time_us due_us = 0;
    transport::fetch_request request;
    transport::fetch_done done;
    std::optional<core::errc> fails_as;
  };
  const core::clock& clock_;
  std::deque<flight> flights_;
  uint64_t last_id_ = 0;
};

// Takes the same time for each chunk, one after the other, and finds it right.
class timed_verifier final : public weights::verifier {
public:
  explicit timed_verifier(const core::clock& clock) : verifier(0), clock_(clock) {}

  void submit(core::memory_region, std::function<void(uint64_t)> done) override {
    free_us_ = std::max(free_us_, clock_.now_us()) + chunk_us;
    jobs_.emplace_back(free_us_, std::move(done));
  }
  void submit_copy(core::memory_region chunk, const std::byte*, std::function<void(uint64_t)> done) override {
    submit(chunk, std::move(done));
  }
  bool progress() {
    if (jobs_.empty() || jobs_.front().first > clock_.now_us()) return false;
    const auto done = std::move(jobs_.front().second);
    jobs_.pop_front();
    done(0);
    return true;
  }

  core::duration_us chunk_us = 0;

private:
  const core::clock& clock_;
  core::time_us free_us_ = 0;
  std::deque<std::pair<core::time_us, std::function<void(uint64_t)>>> jobs_;
};

// A host device whose memory takes time to be made ready.
class timed_device final : public gpu::device {
public:
  explicit timed_device(core::manual_clock& clock) : clock_(clock) {}

  const gpu::device_info& info() const override { return by_->info(); }
  gpu::arena& memory() override { return by_->memory(); }
  gpu::kernels& operators() override { return by_->operators(); }
  core::result<std::unique_ptr<gpu::buffer>> allocate(uint64_t size_bytes) override {
    return by_->allocate(size_bytes);
  }
  core::result<void> execute(std::function<void()> work) override { return by_->execute(std::move(work)); }
  void warm(uint64_t) override { clock_.advance(warm_us); }

  core::duration_us warm_us = 0; // for each shard

private:
  core::manual_clock& clock_;
  std::unique_ptr<gpu::device> by_ = gpu::host::make_host_device({"host0", 2 << 20, 1}, gpu::host::best_isa()).value();
};

constexpr models::encoder::config shape_of_layers(uint32_t layers) {
  auto shape = tests::tiny_shape;
  shape.layers = layers;
  return shape;
}

// One device, and everybody whom it waits for. The load that is looked at brings the set a_: its first shards are with
// worker-1, the last but one is on the store's disk, the last one is just coming to worker-2. It is ordered while another
// load is under way, and when a third set has to leave.
class slow_world {
public:
  explicit slow_world(const costs& takes) : takes_(takes) {
    environment_.fetcher_to = [this](const transport::peer_address&) { return &fetcher_; };
    environment_.exporter = &exports_;
    environment_.checker = &checker_;
    environment_.scrubber = &scrubber_;
    environment_.clock = &world_.clock();
    directory_ = world_.system().spawn([this](caf::event_based_actor* self) -> caf::behavior {
      return {
          [this, self](registration_id, const locate_request& request) -> caf::result<holder_list> {
            return on_locate(self, request);
          },
          [](registration_id, const running_load&) {},
          [this](const holdings_added& added) { held_.insert(held_.end(), added.shards.begin(), added.shards.end()); },
          [](const holdings_dropped&) {},
          [this](registration_id, const load_report& report) { reports_.push_back(report); },
          [](registration_id, const device_row&) {},
          [](const tests::errand& work) { (*work.value)(); }};
    });
    store_ = world_.system().spawn([this](caf::event_based_actor* self) -> caf::behavior {
      return {
          [this, self](const stage_request& request) -> caf::result<stage_reply> { return on_stage(self, request); },
          [](release_atom, const core::digest&) {}, [](const tests::errand& work) { (*work.value)(); }};
    });
    worker_ = world_.system().spawn<actor_from_state<gpu_worker>>(
        gpu_worker_options{"worker-0/host0", &device_, &runner_, &environment_});
    caf::anon_send(worker_, rig::attach_order_of(rig::first_life, directory_, store_));
    world_.run();
  }
  ~slow_world() {
    caf::anon_send(worker_, stop_atom_v);
    for (int i = 0; i < 100; ++i) pass();
    for (const auto& one : {directory_, store_}) caf::anon_send_exit(one, caf::exit_reason::kill);
    world_.run();
  }

  std::optional<load_report> run() {
    order_load(1, c_, 0);
    pass_until([&] { return has_ended(1); });
    fetcher_.links.clear();
    set_costs();
    const auto& read = held_.front();
    const transport::remote_range range{read.region, read.generation, 0, 4096};
    core::check(exports_.pin(range).has_value(), "a peer reads what is to leave");
    order_load(2, b_, 1 << 20);
    order_evict(1);
    order_load(3, a_, 0);
    pass_until([&] { return has_ended(2); });
    checker_.chunk_us = takes_.verify / static_cast<core::duration_us>(a_.shards.size());
    const auto let_go_us = world_.clock().now_us() + takes_.evict;
    pass_until([&] { return world_.clock().now_us() >= let_go_us; });
    exports_.unpin(range);
    world_.run();
    pass_until([&] { return has_ended(3); });
    const auto found = std::ranges::find(reports_, core::load_id{3}, &load_report::id);
    if (found == reports_.end()) return std::nullopt;
    return *found;
  }

private:
  void set_costs() {
    uint64_t with_peer = 0;
    for (size_t i = 0; i + 2 < a_.shards.size(); ++i) with_peer += a_.shards[i].size_bytes;
    auto& peer = fetcher_.links["worker-1"];
    peer.first_byte_us = takes_.first_byte;
    peer.rate_bps = with_peer * 1'000'000 / static_cast<uint64_t>(std::max<core::duration_us>(takes_.fetch, 1));
    peer.busy_us = takes_.busy;
    peer.fails_us = takes_.retry;
    fetcher_.links["other"].first_byte_us = takes_.queue;
  }

  bool is_of(const weights::manifest& set, const core::digest& shard) const {
    return shard.bytes[0] == set.shards[0].digest.bytes[0];
  }
  std::vector<core::digest> held_by_peer() const {
    std::vector<core::digest> shards;
    for (size_t i = 0; i + 2 < a_.shards.size(); ++i) shards.push_back(a_.shards[i].digest);
    return shards;
  }
  static holder_row row_of(const std::string& node, const std::vector<core::digest>& shards) {
    holder_row row;
    row.device = node + "/host0";
    row.peer.node = node;
    row.peer.incarnation = 1;
    for (const auto& shard : shards) row.shards.push_back({shard, 7, 1, 0, 1 << 20});
    return row;
  }

  caf::result<holder_list> on_locate(caf::event_based_actor* self, const locate_request& request) {
    holder_list holders;
    if (!is_of(a_, request.shards.front())) {
      holders.rows.push_back(row_of("other", request.shards));
      return holders;
    }
    if (std::exchange(was_asked_, true)) { // what worker-1 had, after it has died
      if (takes_.retry == 0) holders.rows.push_back(row_of("worker-1", held_by_peer()));
      return holders;
    }
    holders.rows.push_back(row_of("worker-1", held_by_peer()));
    holders.expected = {a_.shards.back().digest};
    holder_list news;
    news.rows.push_back(row_of("worker-2", {a_.shards.back().digest}));
    const auto asker = caf::actor_cast<transfer_actor>(self->current_sender());
    auto promise = self->make_response_promise<holder_list>();
    after(takes_.plan, directory_, [promise, holders]() mutable { promise.deliver(holders); });
    after(takes_.plan + takes_.await, directory_, [self, asker, news] { self->send(asker, news); });
    return promise;
  }

  caf::result<stage_reply> on_stage(caf::event_based_actor* self, const stage_request& request) {
    stage_reply reply;
    reply.staged = true;
    reply.disk_path = "io_uring";
    reply.location.shard = request.shard;
    reply.read_us = takes_.disk;
    auto promise = self->make_response_promise<stage_reply>();
    after(takes_.disk, store_, [promise, reply]() mutable { promise.deliver(reply); });
    return promise;
  }

  struct errand_to_come {
    core::time_us at_us = 0;
    caf::actor whom;
    std::function<void()> what;
  };

  // -- time -----------------------------------------------------------------------------------------------------------

  void after(core::duration_us pause_us, const caf::actor& inside, std::function<void()> what) {
    later_.push_back({world_.clock().now_us() + pause_us, inside, std::move(what)});
  }
  bool progress() {
    const auto now = world_.clock().now_us();
    const auto due = std::ranges::find_if(later_, [&](const errand_to_come& one) { return one.at_us <= now; });
    if (due == later_.end()) return fetcher_.progress() || checker_.progress();
    tests::inside(due->whom, std::move(due->what));
    later_.erase(due);
    return true;
  }
  void pass() {
    world_.advance(step_us, step_us);
    while (progress()) world_.run();
  }
  template <class Done> void pass_until(Done done) {
    for (int i = 0; i < 50'000 && !done(); ++i) pass();
    core::check(done(), "it has happened within a second");
  }

  // -- orders ---------------------------------------------------------------------------------------------------------

  bool has_ended(uint64_t load) const { return std::ranges::find(ended_, load) != ended_.end(); }

  void order_load(uint64_t number, const weights::manifest& set, uint64_t offset_bytes) {
    load_order order;
    order.registration = rig::first_life;
    order.load = {number};
    order.model = {number};
    order.name = "acme/m@" + std::to_string(number);
    order.manifest = to_payload(weights::encode(set));
    order.manifest_digest = weights::digest_of(set);
    order.timeout_us = 1'000'000;
    order.decided_us = number == 3 ? takes_.decide : 0;
    for (const auto& shard : set.shards) {
      order.offsets_bytes.push_back(offset_bytes);
      offset_bytes += shard.size_bytes;
    }
    // A device binds one set after the other: only the last one's memory is slow.
    device_.warm_us = number == 3 ? takes_.bind / static_cast<core::duration_us>(set.shards.size()) : 0;
    world_.system().spawn([this, number, order](caf::event_based_actor* self) {
      self->request(worker_, caf::infinite, order)
          .then([this, number](const load_reply&) { ended_.push_back(number); },
                [](const caf::error& why) { ADD_FAILURE() << from_caf(why).message; });
    });
    world_.run();
  }

  void order_evict(uint64_t model) {
    world_.system().spawn([this, model](caf::event_based_actor* self) {
      self->request(worker_, caf::infinite, evict_order{rig::first_life, {model}})
          .then([](uint64_t) {}, [](const caf::error& why) { ADD_FAILURE() << from_caf(why).message; });
    });
    world_.run();
  }

  const costs takes_;
  const weights::manifest a_ = tests::set_of(shape_of_layers(6), 1), b_ = tests::set_of(tests::tiny_shape, 2),
                          c_ = tests::set_of(tests::tiny_shape, 3);
  actors::deterministic_system world_;
  timed_fetcher fetcher_{world_.clock()};
  transport::exporter exports_;
  timed_verifier checker_{world_.clock()};
  weights::scrubber scrubber_{{.bytes_per_s = 0}, exports_, world_.clock()};
  loading_environment environment_;
  timed_device device_{world_.clock()};
  engine::runner runner_{device_};
  caf::actor directory_, store_;
  gpu_worker_actor worker_;
  bool was_asked_ = false; // for the set that is looked at
  std::deque<errand_to_come> later_;
  std::vector<load_report> reports_;
  std::vector<shard_location> held_;
  std::vector<uint64_t> ended_;
};

// The slow stage takes 5 to 60 ms, each of the others up to a third of that.
costs draw(uint64_t seed, core::duration_us costs::*slow) {
  core::prng random(seed);
  const auto slow_us = 5'000 + static_cast<core::duration_us>(random.below(55'000));
  costs takes;
  for (const auto& [name, cost] : stages)
    takes.*cost = 1 + static_cast<core::duration_us>(random.below(static_cast<uint64_t>(slow_us) / 3));
  // A source that refuses for a while or dies is no part of a load that goes well.
  takes.busy = takes.retry = 0;
  takes.*slow = slow_us;
  return takes;
}

// Without gap or overlap, from the decision to the end.
void expect_to_add_up(const load_report& report) {
  int64_t at_us = 0, sum_us = 0;
  for (const auto& stage : report.stages) {
    EXPECT_EQ(stage.start_us, at_us) << stage.name;
    EXPECT_GE(stage.end_us, stage.start_us) << stage.name;
    at_us = stage.end_us;
    sum_us += stage.end_us - stage.start_us;
  }
  EXPECT_EQ(sum_us, report.wall_us);
}

std::string told(const load_report& report) {
  std::string out = "critical " + report.critical + ":";
  for (const auto& stage : report.stages) out += " " + stage.name + " " + std::to_string(stage.end_us - stage.start_us);
  return out;
}

TEST(SlowStage, IsTheOneThatTheReportNames) {
  constexpr uint64_t rounds = 10;
  size_t cases = 0, named = 0;
  for (uint64_t round = 0; round < rounds; ++round) {
    for (const auto& [name, slow] : stages) {
      const uint64_t seed = ++cases;
      SCOPED_TRACE("seed " + std::to_string(seed) + ", slow: " + std::string(name));
      slow_world world(draw(seed, slow));
      const auto report = world.run();
      ASSERT_TRUE(report);
      expect_to_add_up(*report);
      if (report->critical == name)
        ++named;
      else
        std::cout << "seed " << seed << ", slow: " << name << ": " << told(*report) << '\n';
    }
  }
  std::cout << named << " of " << cases << " slow stages were named\n";
  EXPECT_GE(cases, 100u);
  EXPECT_GE(named * 100, cases * 95);
}

} // namespace
} // namespace fastptm::actors
