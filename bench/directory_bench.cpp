// A cluster of doubles around one directory.
#include "bench/directory_bench.hpp"

#include <ctime>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "actors/actor_from_state.hpp"
#include "actors/deterministic_system.hpp"
#include "actors/local.hpp"
#include "actors/membership/directory.hpp"
#include "actors/membership/join_proof.hpp"
#include "core/random.hpp"
#include "policy/staging.hpp"

namespace fastptm::bench {

using namespace protocol;

namespace {

constexpr uint32_t chunks_of_shard = 5;
constexpr core::duration_us chunk_us = 4'000, between_reports_us = 10'000, look_us = 10'000;
constexpr core::duration_us patience_us = 60'000'000; // for the whole of it, in virtual time
constexpr const char* store = "head";

core::digest shard_of(uint32_t number) {
  core::digest named;
  uint64_t mixed = (number + 1) * 0x9e3779b97f4a7c15u;
  for (size_t i = 0; i < 4; ++i, mixed = mixed * 31 + 7) std::memcpy(named.bytes.data() + 8 * i, &mixed, sizeof mixed);
  return named;
}

// What all doubles share. Links by the names of devices and of the store: when each can give the next shard.
struct surroundings {
  const core::clock* clock = nullptr;
  directory_actor directory;
  std::map<std::string, core::time_us> free_us;
  uint64_t told = 0; // messages of the directory
  uint64_t most_message_bytes = 0;
  uint64_t from_store = 0;
  uint64_t ended = 0;
  uint64_t losses = 0;
};

size_t bytes_of(const holder_list& list) {
  size_t bytes = (list.expected.size() + list.not_expected.size()) * sizeof(core::digest);
  for (const auto& row : list.rows)
    bytes += row.device.size() + row.peer.node.size() + row.peer.boot_id.size() + row.peer.same_host_socket.size() +
             row.peer.data_host.size() + 32 + row.shards.size() * sizeof(shard_location);
  return bytes;
}

// A load as the directory sees it: transfer and gpu_worker in one.
class scripted_load {
public:
  struct arrived {
    uint32_t shard = 0;
  };
  struct report_due {};
  using interface =
      transfer_actor::extend<takes<tick_atom>, takes<actors::local<arrived>>, takes<actors::local<report_due>>>;
  static constexpr const char* actor_name = "scripted_load";

  scripted_load(interface::pointer self, surroundings* around, registration_id registration, std::string device,
                core::load_id load, uint32_t shards)
      : self_(self), around_(*around), registration_(registration), device_(std::move(device)), load_(load),
        staging_({}, shards, around->clock->now_us()), sources_(shards), have_(shards) {
    for (uint32_t i = 0; i < shards; ++i) {
      numbers_[shard_of(i)] = i;
      missing_.insert(i);
    }
  }

  interface::behavior_type make_behavior() {
    locate(std::vector<uint32_t>(missing_.begin(), missing_.end()));
    look_later();
    return {
        [](const node_lost&) {},
        [this](const holder_list& news) { on_news(news); },
        [](const stage_progress&) {},
        [](cancel_atom) {},
        [this](tick_atom) {
          locate(staging_.overdue(around_.clock->now_us()));
          look_later();
        },
        [this](const actors::local<arrived>& one) { on_arrived(one.value->shard); },
        [this](const actors::local<report_due>&) {
          report_due_ = false;
          report();
        },
    };
  }

private:
  void look_later() { self_->delayed_send(self_, std::chrono::microseconds(look_us), tick_atom_v); }

  void locate(const std::vector<uint32_t>& shards) {
    if (shards.empty()) return;
    locate_request request{device_, load_, {}};
    for (const auto shard : shards) request.shards.push_back(shard_of(shard));
    self_->request(around_.directory, std::chrono::microseconds(patience_us), registration_, std::move(request))
        .then([this, shards](const holder_list& answer) {
          for (const auto shard : shards) staging_.looked(shard, around_.clock->now_us());
          on_news(answer);
        });
  }

  void on_news(const holder_list& news) {
    ++around_.told;
    around_.most_message_bytes = std::max<uint64_t>(around_.most_message_bytes, bytes_of(news));
    const auto now = around_.clock->now_us();
    const auto peers = peers_.size();
    for (const auto& row : news.rows) {
      peers_.insert(row.device);
      for (const auto& at : row.shards) {
        const auto shard = numbers_.at(at.shard);
        if (at.is_whole() ? staging_.offered(shard, now) : staging_.partly_offered(shard, now))
          sources_[shard][row.device] = std::min(at.chunks, chunks_of_shard);
      }
    }
    for (const auto& shard : news.not_expected) staging_.expected(numbers_.at(shard), false, now);
    for (const auto& shard : news.expected) staging_.expected(numbers_.at(shard), true, now);
    if (peers_.size() > peers || !std::exchange(told_running_, true)) {
      running_load running{load_, "bench/m@1", device_, {}};
      running.peers.assign(peers_.begin(), peers_.end());
      self_->send(around_.directory, registration_, std::move(running));
    }
    for (const auto shard : staging_.located()) {
      staging_.staged(shard);
      sources_[shard][store] = chunks_of_shard;
    }
    for (const auto shard : missing_) fetch_next_chunk(shard);
  }

  void fetch_next_chunk(uint32_t shard) {
    if (fetching_.contains(shard)) return;
    std::optional<std::string> from;
    for (const auto& [source, chunks] : sources_[shard])
      if (chunks > have_[shard] && (!from || around_.free_us[source] < around_.free_us[*from])) from = source;
    if (!from) return;
    fetching_.insert(shard);
    if (*from == store && have_[shard] == 0) ++around_.from_store;
    auto& free_us = around_.free_us[*from];
    const auto now = around_.clock->now_us();
    const auto at_us = std::max({now, free_us, own_free_us_}) + chunk_us;
    free_us = own_free_us_ = at_us;
    self_->delayed_send(self_, std::chrono::microseconds(at_us - now), actors::make_local(arrived{shard}));
  }

  void on_arrived(uint32_t shard) {
    fetching_.erase(shard);
    auto& unreported = unreported_[shard];
    unreported = {shard_of(shard), shard, 1, 0, chunks_of_shard << 22, ++have_[shard]};
    if (have_[shard] == chunks_of_shard) {
      unreported.chunks = shard_location::all_chunks;
      staging_.verified(shard);
      missing_.erase(shard);
    } else {
      fetch_next_chunk(shard);
    }
    const auto due_us = reported_us_ + between_reports_us - around_.clock->now_us();
    if (due_us <= 0 || missing_.empty())
      report();
    else if (!std::exchange(report_due_, true))
      self_->delayed_send(self_, std::chrono::microseconds(due_us), actors::make_local(report_due{}));
    if (!missing_.empty()) return;
    ++around_.ended;
    load_report ended;
    ended.id = load_;
    ended.device = device_;
    self_->send(around_.directory, registration_, std::move(ended));
    self_->quit();
  }

  void report() {
    if (unreported_.empty()) return;
    reported_us_ = around_.clock->now_us();
    holdings_added added{registration_, device_, {}};
    for (const auto& [shard, at] : std::exchange(unreported_, {})) added.shards.push_back(at);
    self_->send(around_.directory, std::move(added));
  }

  interface::pointer self_;
  surroundings& around_;
  registration_id registration_;
  std::string device_;
  core::load_id load_;
  policy::staging staging_;
  std::map<core::digest, uint32_t> numbers_;
  std::set<uint32_t> missing_, fetching_;
  std::vector<std::map<std::string, uint32_t>> sources_; // of every shard: how many of its chunks they have
  std::vector<uint32_t> have_;
  std::set<std::string> peers_;
  bool told_running_ = false, report_due_ = false;
  core::time_us own_free_us_ = 0, reported_us_ = 0;
  std::map<uint32_t, shard_location> unreported_;
};

// Who listens besides, and only counts.
class counting_ledger {
public:
  using interface = ledger_actor;
  static constexpr const char* actor_name = "counting_ledger";

  counting_ledger(interface::pointer self, surroundings* around) : self_(self), around_(*around) {}
  interface::behavior_type make_behavior() {
    return {
        [this](const running_load&) { ++around_.told; },
        [this](const load_report&) { ++around_.told; },
        [this](const node_list&) { ++around_.told; },
        [](nodes_atom) { return node_list(); },
        [](loads_atom, uint32_t, const std::string&) { return load_list(); },
        [](running_atom) { return running_list(); },
        [this](stop_atom) { self_->quit(); },
    };
  }

private:
  interface::pointer self_;
  surroundings& around_;
};

class counting_supervisor {
public:
  using interface = supervisor_actor;
  static constexpr const char* actor_name = "counting_supervisor";

  counting_supervisor(interface::pointer self, surroundings* around) : self_(self), around_(*around) {}
  interface::behavior_type make_behavior() {
    return {
        [this](const nodes_lost& lost) {
          ++around_.told;
          around_.losses += lost.nodes.size();
        },
        [this](stop_atom) { self_->quit(); },
    };
  }

private:
  interface::pointer self_;
  surroundings& around_;
};

// Of the directory: the messages that it took and what it was busy with them.
struct share {
  uint64_t messages = 0;
  int64_t processor_ns = 0;
};

int64_t processor_ns() { // of this thread
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// A directory with its nodes, each of one device on a host of its own.
class membership {
public:
  explicit membership(uint32_t nodes) {
    around_.clock = &world_.clock();
    actors::directory_options options;
    options.secret = options.admission = "bench";
    for (uint32_t i = 0; i < nodes; ++i) options.nodes.push_back({node(i), {"worker"}});
    options.heartbeat_us = options.lease_us = 2 * patience_us; // nobody renews
    options.clock = &world_.clock();
    options.store.node = store;
    options.store.boot_id = "host of the store";
    ledger_ = world_.system().spawn<actors::actor_from_state<counting_ledger>>(&around_);
    options.ledger = ledger_;
    around_.directory = directory_ = world_.system().spawn<actors::actor_from_state<actors::directory>>(options);
    for (uint32_t i = 0; i < nodes; ++i) join(i);
    world_.run();
  }
  ~membership() {
    for (const auto& one : supervisors_) caf::anon_send_exit(one, caf::exit_reason::kill);
    caf::anon_send_exit(directory_, caf::exit_reason::kill);
    caf::anon_send_exit(ledger_, caf::exit_reason::kill);
    world_.run();
  }

  // Time passes; what becomes due has not run yet.
  void pass(core::duration_us by_us) {
    world_.clock().advance(by_us);
    scheduler().advance_time(std::chrono::microseconds(by_us));
  }
  // Runs what can run, message by message.
  share run() {
    auto& jobs = scheduler().jobs;
    const auto* directory = dynamic_cast<caf::resumable*>(caf::actor_cast<caf::abstract_actor*>(directory_));
    share taken;
    while (!jobs.empty()) {
      const bool is_directory = jobs.front() == directory;
      const auto start_ns = processor_ns();
      scheduler().run_once();
      if (!is_directory) continue;
      taken.processor_ns += processor_ns() - start_ns;
      ++taken.messages;
    }
    return taken;
  }

  static std::string node(uint32_t number) { return fmt::format("worker-{:05}", number); }
  static std::string device(uint32_t number) { return node(number) + "/host0"; }

  actors::deterministic_system world_;
  surroundings around_;
  ledger_actor ledger_;
  directory_actor directory_;
  std::vector<supervisor_actor> supervisors_;
  std::vector<registration_id> registrations_;

private:
  caf::scheduler::test_coordinator& scheduler() {
    return dynamic_cast<caf::scheduler::test_coordinator&>(world_.system().scheduler());
  }
  void join(uint32_t number) {
    const auto nonce =
        world_.ask<std::string>(directory_, patience_us, hello_atom_v, protocol_version, node(number), "bench");
    supervisors_.push_back(world_.system().spawn<actors::actor_from_state<counting_supervisor>>(&around_));
    join_request request;
    request.version = protocol_version;
    request.peer = {node(number), number + 1, fmt::format("host {:032}", number), "@fastptm-bench/same-host",
                    "127.0.0.1",  40'000};
    request.proof = actors::join_proof("bench", *nonce, node(number), number + 1);
    request.devices = {{device(number), {}}};
    request.supervisor = supervisors_.back();
    const auto joined = world_.ask<join_reply>(directory_, patience_us, std::move(request));
    registrations_.push_back(joined->lease.registration);
  }
};

void load_everywhere(const directory_bench_options& options, directory_bench_result& out) {
  membership cluster(options.loads);
  auto& around = cluster.around_;
  around.told = 0;
  const auto start_us = around.clock->now_us();
  for (uint32_t i = 0; i < options.loads; ++i)
    cluster.world_.system().spawn<actors::actor_from_state<scripted_load>>(
        &around, cluster.registrations_[i], membership::device(i), core::load_id{i + 1}, options.shards);
  share directory = cluster.run();
  while (around.ended < options.loads && around.clock->now_us() < start_us + patience_us) {
    cluster.pass(1000);
    const auto then = cluster.run();
    directory.messages += then.messages;
    directory.processor_ns += then.processor_ns;
  }
  out.messages = directory.messages + around.told;
  out.most_message_bytes = around.most_message_bytes;
  out.directory_us = directory.processor_ns / 1000;
  out.virtual_us = around.clock->now_us() - start_us;
  out.from_store = around.from_store;
  out.failed += options.loads - around.ended;
}

void lose_many(const directory_bench_options& options, directory_bench_result& out) {
  membership cluster(options.nodes);
  auto& around = cluster.around_;
  core::prng random(1);
  const uint32_t each = options.holdings / options.nodes, kinds = std::max(1u, options.holdings / 10);
  for (uint32_t i = 0; i < options.nodes; ++i) {
    holdings_added added{cluster.registrations_[i], membership::device(i), {}};
    for (uint32_t j = 0; j < each; ++j)
      added.shards.push_back({shard_of(static_cast<uint32_t>(random.below(kinds))), j, 1, 0, 4 << 20});
    caf::anon_send(cluster.directory_, std::move(added));
    cluster.world_.run();
  }
  around.told = around.losses = 0;
  for (uint32_t i = 0; i < options.lost; ++i) caf::anon_send_exit(cluster.supervisors_[i], caf::exit_reason::kill);
  const auto directory = cluster.run();
  out.loss_messages = directory.messages + around.told;
  out.loss_us = directory.processor_ns / 1000;
  out.failed += uint64_t{options.lost} * (options.nodes - options.lost) - around.losses;
}

} // namespace

directory_bench_result run_directory_bench(const directory_bench_options& options) {
  directory_bench_result out;
  load_everywhere(options, out);
  lose_many(options, out);
  return out;
}

} // namespace fastptm::bench
