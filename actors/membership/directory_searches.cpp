// What devices tell the directory of themselves, and what it tells loads that look for shards.
#include <algorithm>
#include <chrono>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "actors/membership/directory.hpp"

namespace fastptm::actors {

namespace {

// Less than half of what a load waits without hearing anything (policy/staging).
constexpr core::duration_us between_reminders_us = 100'000;

// Of a message, a little more than it has.
constexpr size_t location_bytes = sizeof(protocol::shard_location) + 8, digest_bytes = sizeof(core::digest);

size_t bytes_of(const protocol::holder_row& row) {
  const auto& peer = row.peer;
  return peer.node.size() + peer.boot_id.size() + peer.same_host_socket.size() + peer.data_host.size() +
         row.device.size() + 64 + row.shards.size() * location_bytes;
}

} // namespace

// -- from gpu_workers -------------------------------------------------------------------------------------------------

void directory::on_device(protocol::registration_id registration, const protocol::device_row& row) {
  auto* node = find(registration, row.name);
  if (node == nullptr) return;
  const auto device = node->second.devices.find(row.name);
  device->second.row = row;
  const bool was_usable = std::exchange(device->second.usable, true);
  show(node->first);
  if (was_usable) return;
  self_->send(options_.scheduler, protocol::device_joined{registration, node->first, node->second.peer.boot_id, row,
                                                          device->second.worker});
  if (cordoned_.contains(row.name)) self_->send(options_.scheduler, protocol::cordon_atom_v, row.name, true);
}

void directory::on_holdings_added(const protocol::holdings_added& added) {
  const auto* node = find(added.registration, added.device);
  if (node == nullptr) return;
  const auto device = node->second.devices.at(added.device).life;
  for (const auto& shard : added.shards) {
    holdings_.add(device, shard);
    shard.is_whole() ? referrals_.holds(device, shard.shard) : referrals_.brings(device, shard.shard);
  }
  tell_soon();
}

void directory::on_holdings_dropped(const protocol::holdings_dropped& dropped) {
  const auto* node = find(dropped.registration, dropped.device);
  if (node == nullptr) return;
  const auto device = node->second.devices.at(dropped.device).life;
  for (const auto& shard : dropped.shards) {
    holdings_.drop(device, shard);
    referrals_.drops(device, shard);
  }
  tell_soon();
}

void directory::on_running(protocol::registration_id registration, const protocol::running_load& load) {
  if (find(registration, load.device) != nullptr) self_->send(options_.ledger, load);
}

void directory::on_report(protocol::registration_id registration, const protocol::load_report& report) {
  if (find(registration, report.device) != nullptr) self_->send(options_.ledger, report);
}

// -- from transfers ---------------------------------------------------------------------------------------------------

protocol::holder_list directory::on_locate(protocol::registration_id registration,
                                           const protocol::locate_request& request) {
  const auto* node = find(registration, request.device);
  const auto who = caf::actor_cast<protocol::transfer_actor>(self_->current_sender());
  if (node == nullptr || !who) return {};
  const auto by = node->second.devices.at(request.device).life;
  auto& known = live_.at(by).transfer;
  if (known == who) {
    referrals_.search_again(by, request.shards);
  } else {
    end_search(by);
    known = who;
    by_transfer_[who.address()] = by;
    self_->monitor(who);
    referrals_.begin_search(by, request.load, request.shards);
  }
  tell_soon(); // what this means for others, and what the answer has no room for
  auto parts = to_messages(referrals_.take_news(by));
  for (size_t i = 1; i < parts.size(); ++i) behind_.emplace_back(who, std::move(parts[i]));
  return std::move(parts.front());
}

void directory::end_search(policy::device_life by) {
  auto& transfer = live_.at(by).transfer;
  if (!transfer) return;
  self_->demonitor(transfer.address());
  by_transfer_.erase(transfer.address());
  transfer = nullptr;
  referrals_.end_search(by);
  tell_soon();
}

// -- to transfers -----------------------------------------------------------------------------------------------------

void directory::tell_searches() {
  for (auto& [who, part] : std::exchange(behind_, {})) self_->send(who, std::move(part));
  for (const auto& [by, news] : referrals_.take_all_news())
    for (auto& part : to_messages(news)) self_->send(live_.at(by).transfer, std::move(part));
  remind_later();
}

void directory::on_reminders_due() {
  reminders_due_ = false;
  referrals_.remind();
  tell_searches();
}

void directory::remind_later() {
  if (!referrals_.anyone_waits() || std::exchange(reminders_due_, true)) return;
  self_->delayed_send(self_, std::chrono::microseconds(between_reminders_us), make_local(reminders_due{}));
}

// As many as it takes to keep below message_limit_bytes. What follows in a later one is expected in the first, so that
// nobody asks the store for it meanwhile.
std::vector<protocol::holder_list> directory::to_messages(const policy::referral_news& news) const {
  std::map<policy::device_life, std::vector<protocol::shard_location>> by_device;
  for (const auto* part : {&news.holders, &news.parts})
    for (const auto& [device, shard] : *part)
      if (const auto* at = holdings_.find(device, shard)) by_device[device].push_back(*at);
  std::vector<protocol::holder_list> parts(1);
  parts[0].expected = news.awaited;
  parts[0].not_expected = news.not_awaited;
  size_t bytes = (news.holders.size() + news.awaited.size() + news.not_awaited.size()) * digest_bytes;
  const auto add = [&](protocol::holder_row&& row) {
    if (!row.shards.empty()) parts.back().rows.push_back(std::move(row));
  };
  std::set<core::digest> in_first, later;
  for (const auto& [device, locations] : by_device) {
    const auto& of = live_.at(device);
    const protocol::holder_row empty{of.node->second.peer, of.name, {}};
    auto row = empty;
    bytes += bytes_of(empty);
    for (const auto& at : locations) {
      if (bytes + location_bytes > protocol::message_limit_bytes) {
        add(std::exchange(row, empty));
        parts.emplace_back();
        bytes = bytes_of(empty);
      }
      bytes += location_bytes;
      row.shards.push_back(at);
      (parts.size() == 1 ? in_first : later).insert(at.shard);
    }
    add(std::move(row));
  }
  std::ranges::set_difference(later, in_first, std::back_inserter(parts[0].expected));
  return parts;
}

} // namespace fastptm::actors
