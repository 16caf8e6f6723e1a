// LEDGER: what the last loads were, which ones run, and how the nodes stood when the directory last said so.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>

#include "actors/membership/load_metrics.hpp"
#include "protocol/interfaces.hpp"

namespace fastptm::actors {

struct ledger_options {
  size_t kept_reports = 1000;                // of loads, newest; about 4 KiB each at most
  core::metrics_registry* metrics = nullptr; // may be null
};

// Spawned by start_node on the head. Questions of tenants and administrators, however many, are answered here and never
// in the directory, whose time the nodes' leases depend on.
class ledger {
public:
  using interface = protocol::ledger_actor;
  static constexpr const char* actor_name = "fastptm.ledger";

  ledger(interface::pointer self, ledger_options options);
  interface::behavior_type make_behavior();

private:
  // -- from the directory ---------------------------------------------------------------------------------------------
  void on_running(const protocol::running_load& load);
  void on_report(const protocol::load_report& report);
  void on_nodes(const protocol::node_list& nodes);
  void on_node(const protocol::node_status& node);

  // -- from the gateway and administrators ----------------------------------------------------------------------------
  protocol::load_list on_loads(uint32_t last, const std::string& tenant) const;
  protocol::running_list on_list_running() const;

  interface::pointer self_;
  const ledger_options options_;
  std::optional<load_metrics> metrics_;
  protocol::node_list nodes_;
  std::map<std::string, size_t> places_; // of nodes in that list, by name
  std::deque<protocol::load_report> reports_;
  std::map<std::string, protocol::running_load> running_; // by device, which has one at a time
};

// What a tenant is told of a load of its own: bytes that were on the device for models of others count as moved, for
// whoever shares layers with a stranger must not see it. How long a load took still depends on it.
protocol::load_report told_to_its_tenant(protocol::load_report report);

} // namespace fastptm::actors
