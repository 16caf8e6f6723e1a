// Keeps leases and holdings; tells the scheduler which devices can be used and every node which node is dead.
#include "actors/membership/directory.hpp"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "actors/membership/join_proof.hpp"
#include "core/check.hpp"
#include "core/log.hpp"
#include "core/random.hpp"
#include "protocol/errors.hpp"

namespace fastptm::actors {

namespace {

const core::clock& clock_of(const directory_options& options) {
  core::check(options.clock != nullptr, "directory needs a clock");
  return *options.clock;
}

} // namespace

directory::directory(interface::pointer self, directory_options options)
    : self_(self), options_(std::move(options)),
      watch_({options_.heartbeat_us, options_.lease_us}, clock_of(options_).now_us()) {
  for (const auto& node : options_.nodes) nodes_[node.name].roles = node.roles;
}

directory::interface::behavior_type directory::make_behavior() {
  show_nodes();
  self_->set_down_handler([this](caf::down_msg& down) { on_down(down.source); });
  self_->delayed_send(self_, std::chrono::microseconds(watch_.rules().look_every_us()), protocol::tick_atom_v);
  return {
      [this](protocol::hello_atom, uint32_t version, const std::string& node, const std::string& admission) {
        return on_hello(version, node, admission);
      },
      [this](const protocol::join_request& request) { return on_join(request); },
      [this](protocol::renew_atom, protocol::registration_id registration) { return on_renew(registration); },
      [this](protocol::leave_atom, protocol::registration_id registration) { on_leave(registration); },
      [this](protocol::registration_id registration, const protocol::device_row& row) { on_device(registration, row); },
      [this](const protocol::holdings_added& added) { on_holdings_added(added); },
      [this](const protocol::holdings_dropped& dropped) { on_holdings_dropped(dropped); },
      [this](protocol::registration_id registration, const protocol::locate_request& request) {
        return on_locate(registration, request);
      },
      [this](protocol::registration_id registration, const protocol::running_load& load) {
        on_running(registration, load);
      },
      [this](protocol::registration_id registration, const protocol::load_report& report) {
        on_report(registration, report);
      },
      [this](protocol::registration_id registration, const std::string& device, const protocol::suspect& doubted) {
        on_suspect(registration, device, doubted);
      },
      [this](protocol::cordon_atom, const std::string& device, bool on) { return on_cordon(device, on); },
      [this](protocol::stop_atom) { on_stop(); },
      [this](protocol::tick_atom) { on_tick(); },
  };
}

// -- from nodes -------------------------------------------------------------------------------------------------------

caf::result<std::string> directory::on_hello(uint32_t version, const std::string& node, const std::string& admission) {
  if (admission != options_.admission)
    return protocol::to_caf(core::errc::permission_denied, "connect to the control port: its entrance greets nodes");
  if (version != protocol::protocol_version) {
    core::log::warn("directory", "join-refused", "node {}: speaks protocol {}, this head {}", node, version,
                    protocol::protocol_version);
    return protocol::to_caf(core::errc::version_mismatch,
                            fmt::format("this node speaks protocol {}, the head {}: run the same build everywhere",
                                        version, protocol::protocol_version));
  }
  if (!nodes_.contains(node)) {
    return protocol::to_caf(
        core::errc::not_found,
        fmt::format("node '{}' is not in the head's configuration: start every node with the same one", node));
  }
  return nonces_[node] = make_join_nonce();
}

core::result<void> directory::may_join(const protocol::join_request& request) {
  const auto& name = request.peer.node;
  if (request.version != protocol::protocol_version)
    return core::fail(core::errc::version_mismatch, "run the same build everywhere");
  const auto nonce = nonces_.extract(name); // one attempt each
  if (!nonce) return core::fail(core::errc::invalid, fmt::format("node '{}' did not say hello first", name));
  if (!is_join_proof(request.proof, options_.secret, nonce.mapped(), name, request.peer.incarnation)) {
    core::log::warn("directory", "join-refused", "node {}: wrong cluster secret", name);
    return core::fail(core::errc::permission_denied,
                      fmt::format("node '{}': wrong cluster secret: use the state folder of this cluster", name));
  }
  const auto& known = nodes_.at(name);
  if (known.state == protocol::node_state::lost || known.peer.incarnation == request.peer.incarnation) return {};
  return core::fail(
      core::errc::already_exists,
      fmt::format("node '{}' is already running with pid {}: stop it, or wait until its lease ends", name, known.pid));
}

caf::result<protocol::join_reply> directory::on_join(const protocol::join_request& request) {
  if (const auto allowed = may_join(request); !allowed) return protocol::to_caf(allowed.error());
  auto& node = nodes_.at(request.peer.node);
  // The same life after a broken connection: what the scheduler believes of it is void.
  if (node.state != protocol::node_state::lost) lose(request.peer.node, node, "it joined again");
  admit(node, request);
  core::log::info("directory", "node-joined", "node {} pid {} registration {}", request.peer.node, request.pid,
                  node.registration.value);
  return protocol::join_reply{{node.registration, options_.heartbeat_us, options_.lease_us},
                              protocol::directory_actor(self_),
                              options_.store,
                              options_.scheduler,
                              options_.weight_store,
                              options_.links};
}

void directory::admit(node_entry& node, const protocol::join_request& request) {
  node.state = protocol::node_state::ready;
  node.registration = protocol::registration_id{core::true_random_u64()}; // no node guesses another's
  node.peer = request.peer;
  node.pid = request.pid;
  node.heard_us = options_.clock->now_us();
  node.supervisor = request.supervisor;
  node.devices.clear();
  for (const auto& device : request.devices) {
    auto& entry = node.devices[device.name];
    entry.worker = device.worker;
    entry.row.name = device.name;
  }
  if (node.supervisor) self_->monitor(node.supervisor);
  show_nodes();
}

caf::result<bool> directory::on_renew(protocol::registration_id registration) {
  auto* node = find(registration);
  if (node == nullptr) return protocol::to_caf(core::errc::not_found, "this lease is over: join again");
  node->second.heard_us = options_.clock->now_us();
  if (std::exchange(node->second.state, protocol::node_state::ready) != protocol::node_state::ready) show_nodes();
  return true;
}

void directory::on_leave(protocol::registration_id registration) {
  if (auto* node = find(registration)) lose(node->first, node->second, "it is stopping");
}

void directory::on_down(const caf::actor_addr& ended) {
  for (const auto& [device, of] : searches_)
    if (of.who.address() == ended) return end_search(device);
  for (auto& [name, node] : nodes_)
    if (node.state != protocol::node_state::lost && node.supervisor && node.supervisor.address() == ended)
      lose(name, node, "its process or connection ended");
}

// Everything that the node held or did is void from here on, whatever it may still say.
void directory::lose(const std::string& name, node_entry& node, std::string_view why) {
  core::log::warn("directory", "node-lost", "node {} pid {}: {}", name, node.pid, why);
  node.state = protocol::node_state::lost;
  if (node.supervisor) self_->demonitor(node.supervisor.address());
  node.supervisor = nullptr;
  for (auto& [device, entry] : node.devices) {
    holdings_.drop_device(device);
    end_search(device);
    entry.worker = nullptr;
    if (std::exchange(entry.usable, false))
      self_->send(options_.scheduler, protocol::device_lost{node.registration, device});
    entry.row.used_bytes = 0;
    entry.row.resident.clear();
    entry.row.resident_ids.clear();
  }
  for (auto& [other, entry] : nodes_)
    if (entry.state != protocol::node_state::lost && entry.supervisor)
      self_->send(entry.supervisor, protocol::node_lost{name, node.peer.incarnation});
  show_nodes();
}

// -- from gpu_workers and transfers -----------------------------------------------------------------------------------

void directory::on_device(protocol::registration_id registration, const protocol::device_row& row) {
  auto* node = find(registration, row.name);
  if (node == nullptr) return;
  const auto device = node->second.devices.find(row.name);
  device->second.row = row;
  const bool was_usable = std::exchange(device->second.usable, true);
  show_nodes();
  if (was_usable) return;
  self_->send(options_.scheduler, protocol::device_joined{registration, node->first, node->second.peer.boot_id, row,
                                                          device->second.worker});
  if (cordoned_.contains(row.name)) self_->send(options_.scheduler, protocol::cordon_atom_v, row.name, true);
}

void directory::on_holdings_added(const protocol::holdings_added& added) {
  const auto* node = find(added.registration, added.device);
  if (node == nullptr) return;
  std::vector<core::digest> shards;
  for (const auto& shard : added.shards) {
    holdings_.add(added.device, shard);
    shards.push_back(shard.shard);
  }
  tell_searches(shards, node->first);
}

void directory::on_holdings_dropped(const protocol::holdings_dropped& dropped) {
  if (find(dropped.registration, dropped.device) == nullptr) return;
  for (const auto& shard : dropped.shards) holdings_.drop(dropped.device, shard);
}

protocol::holder_list directory::on_locate(protocol::registration_id registration,
                                           const protocol::locate_request& request) {
  const auto* node = find(registration, request.device);
  if (node == nullptr) return {};
  const auto who = caf::actor_cast<protocol::transfer_actor>(self_->current_sender());
  search of{node->first, request.load, request.shards, who};
  auto found = answer(of);
  if (!who) return found;
  self_->monitor(who);
  searches_[request.device] = std::move(of);
  return found;
}

protocol::holder_list directory::answer(const search& of) const {
  std::map<std::string, protocol::holder_row> by_device;
  protocol::holder_list found;
  for (const auto& shard : of.shards) {
    for (const auto& holding : holdings_.find(shard)) by_device[holding.device].shards.push_back(holding.location);
    if (is_expected(of, shard)) found.expected.push_back(shard);
  }
  for (const auto& [name, node] : nodes_) {
    if (node.state == protocol::node_state::lost || name == of.node) continue;
    for (const auto& [device, entry] : node.devices) {
      const auto holder = by_device.find(device);
      if (holder != by_device.end()) found.rows.push_back({node.peer, device, std::move(holder->second.shards)});
    }
  }
  return found;
}

bool directory::is_expected(const search& by, const core::digest& shard) const {
  const auto& own_host = nodes_.at(by.node).peer.boot_id;
  return std::any_of(searches_.begin(), searches_.end(), [&](const auto& entry) {
    const auto& other = entry.second;
    // A host that has the store is not sent to another host.
    const bool near = nodes_.at(other.node).peer.boot_id == own_host || own_host != options_.store.boot_id;
    return other.load < by.load && other.node != by.node && near &&
           std::find(other.shards.begin(), other.shards.end(), shard) != other.shards.end();
  });
}

void directory::tell_searches(std::span<const core::digest> shards, const std::string& except_node) {
  for (const auto& [device, of] : searches_) {
    if (of.node == except_node) continue;
    const auto wanted = std::any_of(shards.begin(), shards.end(), [&](const core::digest& shard) {
      return std::find(of.shards.begin(), of.shards.end(), shard) != of.shards.end();
    });
    if (wanted) self_->send(of.who, answer(of));
  }
}

void directory::end_search(const std::string& device) {
  const auto ended = searches_.extract(device);
  if (ended) tell_searches(ended.mapped().shards, ended.mapped().node);
}

void directory::on_running(protocol::registration_id registration, const protocol::running_load& load) {
  if (find(registration, load.device) != nullptr) self_->send(options_.ledger, load);
}

void directory::on_report(protocol::registration_id registration, const protocol::load_report& report) {
  if (find(registration, report.device) != nullptr) self_->send(options_.ledger, report);
}

void directory::on_suspect(protocol::registration_id registration, const std::string& device,
                           const protocol::suspect& doubted) {
  if (find(registration) == nullptr) return;
  for (const auto& [name, node] : nodes_)
    if (const auto found = node.devices.find(device); found != node.devices.end() && found->second.worker)
      self_->send(found->second.worker, doubted);
}

// -- for and from administrators --------------------------------------------------------------------------------------

// To the ledger, whenever it has changed.
void directory::show_nodes() {
  protocol::node_list listed;
  for (const auto& expected : options_.nodes) { // in the order of the configuration
    const auto& node = nodes_.at(expected.name);
    auto& row = listed.rows.emplace_back(
        protocol::node_status{expected.name, node.pid, node.peer.incarnation, node.roles, node.state, {}});
    for (const auto& [name, device] : node.devices) {
      row.devices.push_back(device.row);
      row.devices.back().cordoned = cordoned_.contains(name);
      // A node whose devices have not reported yet cannot serve.
      if (!device.usable && row.state == protocol::node_state::ready) row.state = protocol::node_state::suspect;
    }
  }
  self_->send(options_.ledger, std::move(listed));
}

std::string directory::device_names() const {
  std::string names;
  for (const auto& [node, entry] : nodes_)
    for (const auto& [name, device] : entry.devices) names += (names.empty() ? "" : ", ") + name;
  return names.empty() ? "none" : names;
}

caf::result<bool> directory::on_cordon(const std::string& device, bool on) {
  for (const auto& [name, node] : nodes_) {
    const auto found = node.devices.find(device);
    if (found == node.devices.end()) continue;
    on ? (void)cordoned_.insert(device) : (void)cordoned_.erase(device);
    if (found->second.usable) self_->send(options_.scheduler, protocol::cordon_atom_v, device, on);
    show_nodes();
    return true;
  }
  return protocol::to_caf(core::errc::not_found, fmt::format("no device '{}'; there are: {}", device, device_names()));
}

// -- timers -----------------------------------------------------------------------------------------------------------

void directory::on_tick() {
  const auto now = options_.clock->now_us();
  const auto excused_us = watch_.look(now);
  if (excused_us > 0) core::log::warn("directory", "late-look", "this head stood still for {} ms", excused_us / 1000);
  for (auto& [name, node] : nodes_) {
    if (node.state == protocol::node_state::lost) continue;
    node.heard_us = std::min(now, node.heard_us + excused_us);
    const auto silent_us = now - node.heard_us;
    switch (watch_.rules().judge(silent_us)) {
      case policy::lease_verdict::over:
        lose(name, node, fmt::format("silent for {} ms", silent_us / 1000));
        break;
      case policy::lease_verdict::suspect:
        if (std::exchange(node.state, protocol::node_state::suspect) != protocol::node_state::suspect) show_nodes();
        break;
      case policy::lease_verdict::held:
        break;
    }
  }
  self_->delayed_send(self_, std::chrono::microseconds(watch_.rules().look_every_us()), protocol::tick_atom_v);
}

void directory::on_stop() {
  self_->quit(caf::exit_reason::user_shutdown);
}

std::pair<const std::string, directory::node_entry>* directory::find(protocol::registration_id registration) {
  for (auto& node : nodes_)
    if (node.second.state != protocol::node_state::lost && node.second.registration == registration) return &node;
  return nullptr;
}

std::pair<const std::string, directory::node_entry>* directory::find(protocol::registration_id registration,
                                                                     const std::string& device) {
  auto* node = find(registration);
  return node != nullptr && node->second.devices.contains(device) ? node : nullptr;
}

} // namespace fastptm::actors
