// Fetches as entries of a list, completed in progress().
#include "transport/loopback/network.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include <fmt/format.h>

#include "core/check.hpp"

namespace fastptm::transport::loopback {

namespace {
constexpr auto never_us = std::numeric_limits<core::time_us>::max();
}

void network::add_node(std::string name, uint64_t incarnation, exporter& exports) {
  nodes_[std::move(name)] = node{incarnation, &exports, {}};
}

faults& network::faults_of(const std::string& name) {
  return nodes_.at(name).wrong;
}

// When a flight ends, by what is wrong with its node now.
core::time_us network::end_of(const flight& one) const {
  if (one.ended) return one.due_us;
  const auto found = nodes_.find(one.from);
  if (found == nodes_.end() || found->second.wrong.dead || found->second.wrong.busy) return one.called_us;
  const auto deadline_us = std::max(one.called_us, found->second.heard_us) + one.request.timeout_us;
  return found->second.wrong.hung || one.begins_us > deadline_us ? deadline_us : one.due_us;
}

std::optional<core::time_us> network::next_due_us() const {
  auto next = never_us;
  for (const auto& one : flights_) next = std::min(next, end_of(one));
  if (next == never_us) return std::nullopt;
  return next;
}

size_t network::progress() {
  size_t completed = 0;
  for (;;) {
    const auto now = clock_.now_us();
    const auto first = std::min_element(flights_.begin(), flights_.end(), [this](const auto& left, const auto& right) {
      return end_of(left) < end_of(right);
    });
    if (first == flights_.end() || end_of(*first) > now) return completed;
    auto one = std::move(*first);
    flights_.erase(first);
    auto result = deliver(one);
    ++completed;
    one.done(std::move(result));
  }
}

core::result<fetched> network::deliver(const flight& one) {
  if (one.ended) return core::fail(one.ends_as, fmt::format("the fetch from {} was given up", one.from));
  const auto found = nodes_.find(one.from);
  if (found == nodes_.end() || found->second.wrong.dead)
    return core::fail(core::errc::unavailable, fmt::format("{} is dead", one.from));
  auto& source = found->second;
  if (source.wrong.hung || (one.due_us > clock_.now_us() && !source.wrong.busy))
    return core::fail(core::errc::deadline_exceeded, fmt::format("{} did not deliver in time", one.from));
  if (source.wrong.busy) return core::fail(core::errc::busy, fmt::format("{} is busy", one.from));
  if (source.incarnation != one.incarnation)
    return core::fail(core::errc::version_mismatch, fmt::format("{} was restarted", one.from));
  const auto& range = one.request.source;
  const auto bytes = source.exports->pin(range);
  if (!bytes) return core::fail(bytes.error());
  auto* target = one.request.target.address;
  std::memcpy(target, bytes->address, range.length_bytes);
  source.exports->unpin(range);
  source.heard_us = clock_.now_us();
  ++source.delivered;
  if (source.wrong.corrupt_every && source.delivered % source.wrong.corrupt_every == 0)
    target[range.length_bytes / 2] ^= std::byte{1};
  return fetched{range.length_bytes, clock_.now_us() - one.called_us, path::loopback, std::nullopt, source.wrong.torn};
}

// -- backend ----------------------------------------------------------------------------------------------------------

core::result<fetch_id> backend::fetch(const peer_address& peer, const fetch_request& request, fetch_done done) {
  core::check(request.timeout_us > 0, "a fetch has a deadline");
  core::check(request.target.size_bytes >= request.source.length_bytes, "the target holds what is fetched");
  const auto now = network_.clock_.now_us();
  network::flight made;
  made.id = ++network_.last_id_;
  made.from = peer.node;
  made.incarnation = peer.incarnation;
  made.request = request;
  made.called_us = made.begins_us = made.due_us = now;
  made.done = std::move(done);
  if (const auto found = network_.nodes_.find(peer.node); found != network_.nodes_.end()) {
    auto& source = found->second;
    made.begins_us = made.due_us = now + source.wrong.latency_us;
    if (source.wrong.rate_bps) {
      const auto begin_us = std::max(made.begins_us, source.free_at_us);
      made.due_us =
          begin_us + static_cast<core::duration_us>(request.source.length_bytes * 1'000'000 / source.wrong.rate_bps);
      source.free_at_us = made.due_us;
    }
  }
  network_.flights_.push_back(std::move(made));
  return fetch_id{network_.last_id_};
}

void backend::cancel(fetch_id id) {
  for (auto& one : network_.flights_)
    if (one.id == id.value) {
      one.ended = true;
      one.ends_as = core::errc::cancelled;
      one.due_us = network_.clock_.now_us();
    }
}

void backend::close_peer(std::string_view node, uint64_t incarnation) {
  for (auto& one : network_.flights_)
    if (one.from == node && one.incarnation == incarnation) {
      one.ended = true;
      one.ends_as = core::errc::unavailable;
      one.due_us = network_.clock_.now_us();
    }
}

} // namespace fastptm::transport::loopback
