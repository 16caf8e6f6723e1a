// DIRECTORY: who is alive, who holds which shard. Knows nothing about models or requests.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "actors/local.hpp"
#include "actors/membership/holdings.hpp"
#include "core/clock.hpp"
#include "policy/lease.hpp"
#include "policy/referrals.hpp"
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
  core::duration_us late_look_us = 0; // see policy::lease_rules
  const core::clock* clock = nullptr;
  protocol::peer_row store;               // where the host cache of weight_store can be read
  std::vector<protocol::link_rate> links; // of its host: what loads are held against
  protocol::ledger_actor ledger;          // is told of loads and nodes: who asks for them asks there
  protocol::scheduler_actor scheduler;
  protocol::weight_store_actor weight_store;
};

// Spawned by start_node on the head; the other nodes get to it by an entrance. Soft state: after a restart of the head
// everything here is rebuilt from the nodes that join again.
//
// What it has to tell others is sent when what was in the mailbox before has been read, one message to each: a rack that
// is lost, or many shards that arrive together, cost as many messages as there are listeners.
class directory {
public:
  struct news_due {};
  struct reminders_due {};
  using interface =
      protocol::directory_actor::extend<protocol::takes<protocol::tick_atom>, protocol::takes<local<news_due>>,
                                        protocol::takes<local<reminders_due>>>;
  static constexpr const char* actor_name = "fastptm.directory";

  directory(interface::pointer self, directory_options options);
  interface::behavior_type make_behavior();

private:
  struct device_entry {
    protocol::gpu_worker_actor worker;
    protocol::device_row row;
    bool usable = false; // has reported itself in this registration
    policy::device_life life;
  };
  struct node_entry {
    uint32_t number = 0; // in the configuration's order
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

  // -- from gpu_workers and transfers (directory_searches.cpp) --------------------------------------------------------
  void on_device(protocol::registration_id registration, const protocol::device_row& row);
  void on_holdings_added(const protocol::holdings_added& added);
  void on_holdings_dropped(const protocol::holdings_dropped& dropped);
  protocol::holder_list on_locate(protocol::registration_id registration, const protocol::locate_request& request);
  void on_running(protocol::registration_id registration, const protocol::running_load& load);
  void on_report(protocol::registration_id registration, const protocol::load_report& report);
  void on_suspect(protocol::registration_id registration, const std::string& device, const protocol::suspect& doubted);

  // -- for and from administrators ------------------------------------------------------------------------------------
  void show(const std::string& node);
  std::string device_names() const; // "a/host0, b/host0" or "none"
  caf::result<bool> on_cordon(const std::string& device, bool on);

  // -- timers ---------------------------------------------------------------------------------------------------------
  void on_tick();
  void on_stop();

  core::result<void> may_join(const protocol::join_request& request);
  void admit(node_entry& node, const protocol::join_request& request);
  void lose(const std::string& name, node_entry& node, std::string_view why);
  void end_registration(const std::string& name, node_entry& node);
  using named_node = std::pair<const std::string, node_entry>;
  named_node* find(protocol::registration_id registration);
  // The same; null as well when it has no such device.
  named_node* find(protocol::registration_id registration, const std::string& device);
  uint32_t host_number(const std::string& boot_id);
  protocol::node_status status_of(const named_node& node) const;

  // -- news -----------------------------------------------------------------------------------------------------------
  void tell_soon();
  void on_news_due();
  void on_reminders_due();
  void remind_later();
  void tell_losses();
  void tell_searches();
  void tell_nodes();
  std::vector<protocol::holder_list> to_messages(const policy::referral_news& news) const;
  void end_search(policy::device_life by);

  interface::pointer self_;
  const directory_options options_;
  std::map<std::string, node_entry> nodes_;
  std::unordered_map<protocol::registration_id, named_node*> by_registration_; // of nodes that are not lost
  std::unordered_map<caf::actor_addr, named_node*> by_supervisor_;             // the same
  std::map<std::string, uint32_t> hosts_; // by boot id: as many as have ever joined
  // By node name: bounded by the configured nodes, and by how often each tries while this head stands still.
  std::map<std::string, std::deque<std::string>> nonces_;
  std::set<std::string> cordoned_;

  struct live_device {
    const named_node* node = nullptr;
    std::string name;
    protocol::transfer_actor transfer; // that looks for shards; null: none
  };
  uint32_t lives_ = 0;
  std::unordered_map<policy::device_life, live_device> live_;
  std::unordered_map<caf::actor_addr, policy::device_life> by_transfer_;
  holdings holdings_;
  policy::referrals referrals_;

  bool news_due_ = false, reminders_due_ = false;                                  // a message to itself is under way
  std::vector<protocol::node_lost> lost_;                                          // not told of yet
  std::vector<std::pair<protocol::transfer_actor, protocol::holder_list>> behind_; // an answer that was sent in parts
  std::set<std::string> changed_;                                                  // nodes, since the ledger was told
  policy::lease_watch watch_;
};

} // namespace fastptm::actors
