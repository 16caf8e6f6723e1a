// One run of a scenario: nodes, time, faults, requests, and what is held against what must be so.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "protocol/interfaces.hpp"
#include "sim/world/fault_plan.hpp"
#include "sim/world/model_shelf.hpp"
#include "sim/world/troubles.hpp"
#include "sim/world/virtual_network.hpp"
#include "sim/world/virtual_system.hpp"
#include "sim/world/virtual_wires.hpp"
#include "sim/world/world.hpp"
#include "sim/world/world_node.hpp"

namespace fastptm::sim::world {

inline constexpr core::duration_us second_us = 1'000'000;
inline constexpr core::duration_us deadline_us = 2 * second_us; // of requests
// After the last fault: leases run out, back-offs end, what is resident is gone over twice.
inline constexpr core::duration_us calm_us = 25 * second_us;

// Composes nodes as node/ does, only of virtual parts. One thread; run() once.
class cluster {
public:
  cluster(const scenario& what, uint64_t seed, model_shelf& models, const std::vector<size_t>& without);

  outcome run();

private:
  using time_us = core::time_us;
  using duration_us = core::duration_us;

  struct asked {
    const shelved_model* model = nullptr;
    time_us at_us = 0;
    uint32_t answers = 0;
  };

  // -- composing (cluster.cpp) ----------------------------------------------------------------------------------------
  std::string node_name(uint32_t number) const; // beyond the workers: the head
  world_node* find(const std::string& name);
  world_node* head() { return find("head"); }
  world_node& make_node(const std::string& name);
  void start();
  void start_head();
  void start_worker(const std::string& name);
  actors::head_reacher way_to_head(const std::string& node);
  weights::content_store& store() { return disk_ ? disk_->store : models_.store; }
  void on_joined(world_node& node);

  // -- time (cluster.cpp) ---------------------------------------------------------------------------------------------
  void at(time_us since_start_us, std::function<void()> what);
  void after(duration_us pause_us, std::function<void()> what);
  void run_until(time_us end_us);
  void settle();
  bool progress();
  time_us next_us();
  void do_what_is_due();
  void scrub(const std::string& name, uint64_t incarnation);

  // -- harm (cluster_faults.cpp) --------------------------------------------------------------------------------------
  void begin(const planned_fault& fault);
  void begin_at_node(const planned_fault& fault);
  void begin_on_wire(const planned_fault& fault);
  void begin_on_disk(const planned_fault& fault);
  void kill(const std::string& name);
  void kill_head();
  void freeze(const std::string& name, duration_us for_us);
  void thaw(const std::string& name);
  static void flip(core::memory_region memory, uint64_t choice);
  void flip_in_arena(const planned_fault& fault);
  void rot(const planned_fault& fault, const shelved_model& model, const std::filesystem::path& file);
  void publish(const shelved_model& model, const std::function<void()>& done);
  void set_disk();

  // -- asking and judging (cluster_requests.cpp) ----------------------------------------------------------------------
  void plan_requests();
  void ask(const shelved_model& model);
  void send_request(caf::event_based_actor* self, uint64_t number);
  void on_answer(size_t request, const protocol::infer_reply& reply);
  void read_ledger();
  void judge(const protocol::load_report& load);
  void look_at_the_end();
  void stop();
  void violated(const std::string& what);

  const scenario what_;
  model_shelf& models_;
  const std::unique_ptr<own_disk> disk_; // null: nothing changes the shelf's
  core::prng random_;
  // Both outlive the system: others may still know actors of a life that has ended, and those own what was theirs.
  std::map<std::string, std::unique_ptr<world_node>> nodes_;
  std::vector<std::unique_ptr<world_node>> ended_;
  virtual_system virtual_;
  const time_us start_us_ = virtual_.now_us();
  virtual_network network_;
  const std::unique_ptr<virtual_wires> wires_; // null: messages pass at once
  std::map<uint64_t, world_node*> busy_;       // whose runner or disk has something to do, by incarnation
  std::multimap<time_us, std::function<void()>> agenda_;
  std::vector<planned_fault> faults_;
  troubles load_troubles_, life_troubles_; // of nodes and models: what excuses loads that fail, and lives that end
  std::set<std::string> unreachable_;      // who cannot connect to the head
  uint64_t disk_slowness_ = 1;
  bool disk_fails_ = false;
  const std::string admission_ = "admission";
  uint64_t last_incarnation_ = 0;
  caf::actor client_;
  std::vector<asked> requests_;
  std::vector<const shelved_model*> asked_models_;
  std::map<std::string, time_us> flipped_us_; // by node: when its memory changed last
  duration_us head_stood_still_us_ = 0;
  outcome result_;
};

} // namespace fastptm::sim::world
