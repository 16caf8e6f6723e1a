// DIRECTORY: who is alive, who holds which shard. Knows nothing about models or requests.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "actors/membership/holdings.hpp"
#include "core/clock.hpp"
#include "policy/lease.hpp"
#include "protocol/interfaces.hpp"

namespace fastptm::actors {

struct expected_node {
  std::string name;
  std::vector<std::string> roles;
};

struct directory_options {
  std::string secret;
  std::string admission;              // only entrances know it: who has it may say hello for a node
  std::vector<expected_node> nodes;   // of the configuration: no other may join
  core::duration_us heartbeat_us = 0; // how often a node renews its lease
  core::duration_us lease_us = 0;
  const core::clock* clock = nullptr;
  protocol::peer_row store;               // where the host cache of weight_store can be read
  std::vector<protocol::link_rate> links; // of its host: what loads are held against
  protocol::ledger_actor ledger;          // is told of loads and nodes: who asks for them asks there
  protocol::scheduler_actor scheduler;
  protocol::weight_store_actor weight_store;
};

// Spawned by start_node on the head; the other nodes get to it by an entrance. Soft state: after a restart of the head
// everything here is rebuilt from the nodes that join again.
class directory {
public:
  using interface = protocol::directory_actor::extend<protocol::takes<protocol::tick_atom>>;
  static constexpr const char* actor_name = "fastptm.directory";

  directory(interface::pointer self, directory_options options);
  interface::behavior_type make_behavior();

private:
  struct device_entry {
    protocol::gpu_worker_actor worker;
    protocol::device_row row;
    bool usable = false; // has reported itself in this registration
  };
  struct node_entry {
    std::vector<std::string> roles;
    protocol::node_state state = protocol::node_state::lost;
    protocol::registration_id registration; // 0: never joined
    protocol::peer_row peer;
    uint32_t pid = 0;
    core::time_us heard_us = 0;
    protocol::supervisor_actor supervisor;
    std::map<std::string, device_entry> devices;
  };

  // -- from nodes -----------------------------------------------------------------------------------------------------
  caf::result<std::string> on_hello(uint32_t version, const std::string& node, const std::string& admission);
  caf::result<protocol::join_reply> on_join(const protocol::join_request& request);
  caf::result<bool> on_renew(protocol::registration_id registration);
  void on_leave(protocol::registration_id registration);
  void on_down(const caf::actor_addr& ended);

  // -- from gpu_workers and transfers ---------------------------------------------------------------------------------
  void on_device(protocol::registration_id registration, const protocol::device_row& row);
  void on_holdings_added(const protocol::holdings_added& added);
  void on_holdings_dropped(const protocol::holdings_dropped& dropped);
  protocol::holder_list on_locate(protocol::registration_id registration, const protocol::locate_request& request);
  void on_running(protocol::registration_id registration, const protocol::running_load& load);
  void on_report(protocol::registration_id registration, const protocol::load_report& report);
  void on_suspect(protocol::registration_id registration, const std::string& device, const protocol::suspect& doubted);

  // -- for and from administrators ------------------------------------------------------------------------------------
  void show_nodes();
  std::string device_names() const; // "a/host0, b/host0" or "none"
  caf::result<bool> on_cordon(const std::string& device, bool on);

  // -- timers ---------------------------------------------------------------------------------------------------------
  void on_tick();
  void on_stop();

  core::result<void> may_join(const protocol::join_request& request);
  void admit(node_entry& node, const protocol::join_request& request);
  void lose(const std::string& name, node_entry& node, std::string_view why);
  std::pair<const std::string, node_entry>* find(protocol::registration_id registration);
  // The same; null as well when it has no such device.
  std::pair<const std::string, node_entry>* find(protocol::registration_id registration, const std::string& device);

  // A load that looks for shards.
  struct search {
    std::string node;
    core::load_id load;
    std::vector<core::digest> shards;
    protocol::transfer_actor who;
  };
  protocol::holder_list answer(const search& of) const;
  bool is_expected(const search& by, const core::digest& shard) const;
  void tell_searches(std::span<const core::digest> shards, const std::string& except_node);
  void end_search(const std::string& device);

  interface::pointer self_;
  const directory_options options_;
  std::map<std::string, node_entry> nodes_;
  std::map<std::string, std::string> nonces_; // by node name: bounded by the configured nodes
  std::set<std::string> cordoned_;
  holdings holdings_;
  std::map<std::string, search> searches_; // by device, which has one at a time
  policy::lease_watch watch_;
};

} // namespace fastptm::actors
