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

// Hellos come by connections of their own: one that its node has given up may be read after the next one.
constexpr size_t kept_nonces = 16;

const core::clock& clock_of(const directory_options& options) {
  core::check(options.clock != nullptr, "directory needs a clock");
  return *options.clock;
}

} // namespace

directory::directory(interface::pointer self, directory_options options)
    : self_(self), options_(std::move(options)),
      watch_({options_.heartbeat_us, options_.lease_us, options_.late_look_us}, clock_of(options_).now_us()) {
  for (const auto& node : options_.nodes) {
    auto& entry = nodes_[node.name];
    entry.number = static_cast<uint32_t>(nodes_.size());
    entry.roles = node.roles;
    changed_.insert(node.name);
  }
}

directory::interface::behavior_type directory::make_behavior() {
  tell_nodes();
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
      [this](const local<news_due>&) { on_news_due(); },
      [this](const local<reminders_due>&) { on_reminders_due(); },
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
  auto& nonces = nonces_[node];
  if (nonces.size() == kept_nonces) nonces.pop_front();
  return nonces.emplace_back(make_join_nonce());
}

core::result<void> directory::may_join(const protocol::join_request& request) {
  const auto& name = request.peer.node;
  if (request.version != protocol::protocol_version)
    return core::fail(core::errc::version_mismatch, "run the same build everywhere");
  const auto nonces = nonces_.extract(name); // one attempt for all of them
  if (!nonces) return core::fail(core::errc::invalid, fmt::format("node '{}' did not say hello first", name));
  if (std::ranges::none_of(nonces.mapped(), [&](const std::string& one) {
        return is_join_proof(request.proof, options_.secret, one, name, request.peer.incarnation);
      })) {
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
  // The same life after a broken connection: what the scheduler believes of it is void. To the other nodes it has never
  // left: what they read from it they may go on reading.
  if (node.state != protocol::node_state::lost) {
    core::log::warn("directory", "node-lost", "node {} pid {}: it joined again", request.peer.node, node.pid);
    end_registration(request.peer.node, node);
  }
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
  auto* named = &*nodes_.find(request.peer.node);
  node.state = protocol::node_state::ready;
  node.registration = protocol::registration_id{core::true_random_u64()}; // no node guesses another's
  node.peer = request.peer;
  node.pid = request.pid;
  node.heard_us = options_.clock->now_us();
  node.supervisor = request.supervisor;
  node.devices.clear();
  by_registration_[node.registration] = named;
  const policy::device_place place{node.number, host_number(node.peer.boot_id),
                                   node.peer.boot_id == options_.store.boot_id};
  for (const auto& device : request.devices) {
    auto& entry = node.devices[device.name];
    entry.worker = device.worker;
    entry.row.name = device.name;
    entry.life = {++lives_};
    live_[entry.life] = {named, device.name, {}};
    referrals_.joined(entry.life, place);
  }
  if (node.supervisor) {
    self_->monitor(node.supervisor);
    by_supervisor_[node.supervisor.address()] = named;
  }
  show(request.peer.node);
}

uint32_t directory::host_number(const std::string& boot_id) {
  return hosts_.try_emplace(boot_id, static_cast<uint32_t>(hosts_.size())).first->second;
}

caf::result<bool> directory::on_renew(protocol::registration_id registration) {
  auto* node = find(registration);
  if (node == nullptr) return protocol::to_caf(core::errc::not_found, "this lease is over: join again");
  node->second.heard_us = options_.clock->now_us();
  if (std::exchange(node->second.state, protocol::node_state::ready) != protocol::node_state::ready) show(node->first);
  return true;
}

void directory::on_leave(protocol::registration_id registration) {
  if (auto* node = find(registration)) lose(node->first, node->second, "it is stopping");
}

void directory::on_down(const caf::actor_addr& ended) {
  if (const auto search = by_transfer_.find(ended); search != by_transfer_.end()) return end_search(search->second);
  const auto node = by_supervisor_.find(ended);
  if (node != by_supervisor_.end()) lose(node->second->first, node->second->second, "its process or connection ended");
}

// Everything that the node held or did is void from here on, whatever it may still say.
void directory::lose(const std::string& name, node_entry& node, std::string_view why) {
  core::log::warn("directory", "node-lost", "node {} pid {}: {}", name, node.pid, why);
  end_registration(name, node);
  node.state = protocol::node_state::lost;
  lost_.push_back({name, node.peer.incarnation});
}

void directory::end_registration(const std::string& name, node_entry& node) {
  by_registration_.erase(node.registration);
  if (node.supervisor) {
    self_->demonitor(node.supervisor.address());
    by_supervisor_.erase(node.supervisor.address());
  }
  node.supervisor = nullptr;
  for (auto& [device, entry] : node.devices) {
    end_search(entry.life);
    live_.erase(entry.life);
    holdings_.drop_device(entry.life);
    referrals_.lost(entry.life);
    entry.worker = nullptr;
    if (std::exchange(entry.usable, false))
      self_->send(options_.scheduler, protocol::device_lost{node.registration, device});
    entry.row.used_bytes = 0;
    entry.row.resident.clear();
    entry.row.resident_ids.clear();
  }
  show(name);
}

void directory::on_suspect(protocol::registration_id registration, const std::string& device,
                           const protocol::suspect& doubted) {
  if (find(registration) == nullptr) return;
  const auto node = nodes_.find(device.substr(0, device.find('/')));
  if (node == nodes_.end()) return;
  const auto found = node->second.devices.find(device);
  if (found != node->second.devices.end() && found->second.worker) self_->send(found->second.worker, doubted);
}

// -- for and from administrators --------------------------------------------------------------------------------------

// To the ledger, soon.
void directory::show(const std::string& node) {
  changed_.insert(node);
  tell_soon();
}

protocol::node_status directory::status_of(const named_node& node) const {
  const auto& [name, entry] = node;
  protocol::node_status row{name, entry.pid, entry.peer.incarnation, entry.roles, entry.state, {}};
  for (const auto& [device, of] : entry.devices) {
    row.devices.push_back(of.row);
    row.devices.back().cordoned = cordoned_.contains(device);
    // A node whose devices have not reported yet cannot serve.
    if (!of.usable && row.state == protocol::node_state::ready) row.state = protocol::node_state::suspect;
  }
  return row;
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
    show(name);
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
        if (std::exchange(node.state, protocol::node_state::suspect) != protocol::node_state::suspect) show(name);
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

// -- news -------------------------------------------------------------------------------------------------------------

// Behind what is in the mailbox already.
void directory::tell_soon() {
  if (!std::exchange(news_due_, true)) self_->send(self_, make_local(news_due{}));
}

void directory::on_news_due() {
  news_due_ = false;
  tell_losses();
  tell_searches();
  tell_nodes();
}

void directory::tell_losses() {
  const auto lost = std::exchange(lost_, {});
  for (size_t first = 0; first < lost.size(); first += protocol::losses_per_message) {
    const auto count = std::min(protocol::losses_per_message, lost.size() - first);
    const auto from = lost.begin() + static_cast<std::ptrdiff_t>(first);
    // One message, which all of them share.
    const auto told = caf::make_message(protocol::nodes_lost{{from, from + static_cast<std::ptrdiff_t>(count)}});
    for (const auto& [name, node] : nodes_)
      if (node.supervisor) caf::anon_send(caf::actor_cast<caf::actor>(node.supervisor), caf::message(told));
  }
}

void directory::tell_nodes() {
  if (changed_.empty()) return;
  protocol::node_list listed;
  if (changed_.size() == options_.nodes.size()) { // the first time it learns their order
    for (const auto& expected : options_.nodes) listed.rows.push_back(status_of(*nodes_.find(expected.name)));
  } else {
    for (const auto& name : changed_) listed.rows.push_back(status_of(*nodes_.find(name)));
  }
  changed_.clear();
  self_->send(options_.ledger, std::move(listed));
}

directory::named_node* directory::find(protocol::registration_id registration) {
  const auto found = by_registration_.find(registration);
  return found == by_registration_.end() ? nullptr : found->second;
}

directory::named_node* directory::find(protocol::registration_id registration, const std::string& device) {
  auto* node = find(registration);
  return node != nullptr && node->second.devices.contains(device) ? node : nullptr;
}

} // namespace fastptm::actors
