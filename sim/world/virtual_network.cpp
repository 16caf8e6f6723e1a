// A list of flights, and when each ends as things stand.
#include "sim/world/virtual_network.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include <fmt/format.h>

#include "core/check.hpp"

namespace fastptm::sim::world {

namespace {

constexpr auto never_us = std::numeric_limits<core::time_us>::max();
constexpr core::duration_us refusal_us = 200; // until a closed connection is noticed
constexpr size_t fetches_in_flight = 256;     // of one asker, as the backends have it

} // namespace

class virtual_network::asking final : public transport::fetcher {
public:
  asking(virtual_network& on, std::string name) : network_(on), name_(std::move(name)) {}

  core::result<transport::fetch_id> fetch(const transport::peer_address& peer, const transport::fetch_request& request,
                                          transport::fetch_done done) override {
    core::check(request.timeout_us > 0, "a fetch has a deadline");
    const auto mine = std::ranges::count_if(network_.flights_, [&](const auto& one) { return one.asker == name_; });
    if (static_cast<size_t>(mine) >= fetches_in_flight) return core::fail(core::errc::busy, "too much is in flight");
    return transport::fetch_id{network_.begin(name_, peer, request, std::move(done))};
  }
  void cancel(transport::fetch_id id) override {
    network_.give_up(name_, core::errc::cancelled, [&](const flight& one) { return one.id == id.value; });
  }
  void close_peer(std::string_view node, uint64_t incarnation) override {
    network_.give_up(name_, core::errc::unavailable,
                     [&](const flight& one) { return one.source == node && one.incarnation == incarnation; });
  }
  transport::path path_to(const transport::peer_address&) const override { return transport::path::loopback; }

private:
  virtual_network& network_;
  const std::string name_;
};

virtual_network::virtual_network(const core::clock& clock, uint64_t seed) : clock_(clock), random_(seed) {}

virtual_network::~virtual_network() = default;

transport::fetcher& virtual_network::add_node(const std::string& name, uint64_t incarnation,
                                              transport::exporter& exports) {
  auto& made = nodes_[name];
  made = {incarnation, &exports, std::make_unique<asking>(*this, name), 0};
  return *made.fetcher;
}

void virtual_network::remove_node(const std::string& name) {
  std::erase_if(flights_, [&](const flight& one) { return one.asker == name; });
  nodes_.erase(name);
  frozen_.erase(name);
}

uint64_t virtual_network::begin(const std::string& asker, const transport::peer_address& peer,
                                const transport::fetch_request& request, transport::fetch_done done) {
  const auto now = clock_.now_us();
  const auto& out = links_[peer.node];
  flight made{++last_id_, asker, peer.node, peer.incarnation, request, now, now + refusal_us, std::move(done), {}};
  if (const auto found = nodes_.find(peer.node); found != nodes_.end()) {
    const auto latency_us =
        out.latency_us + static_cast<core::duration_us>(random_.below(static_cast<uint64_t>(out.latency_us) + 1));
    auto& free_at_us = found->second.free_at_us;
    free_at_us = std::max(free_at_us, now + latency_us) +
                 static_cast<core::duration_us>(request.source.length_bytes * 1'000'000 / out.rate_bps);
    made.due_us = free_at_us;
  }
  flights_.push_back(std::move(made));
  return last_id_;
}

template <class Which> void virtual_network::give_up(const std::string& asker, core::errc why, Which is_meant) {
  for (auto& one : flights_)
    if (one.asker == asker && !one.given_up && is_meant(one)) one.given_up = why;
}

bool virtual_network::is_silent(const flight& one) const {
  return frozen_.contains(one.source) || cuts_.contains(std::minmax(one.asker, one.source));
}

core::time_us virtual_network::end_of(const flight& one) const {
  if (frozen_.contains(one.asker)) return never_us; // nobody there takes note
  if (one.given_up) return clock_.now_us();
  if (!nodes_.contains(one.source)) return std::min(one.due_us, clock_.now_us() + refusal_us);
  const auto heard = heard_us_.find({one.asker, one.source});
  const auto patient_until_us =
      std::max(one.called_us, heard == heard_us_.end() ? 0 : heard->second) + one.request.timeout_us;
  return is_silent(one) ? patient_until_us : std::min(one.due_us, patient_until_us);
}

std::optional<core::time_us> virtual_network::next_due_us() const {
  auto next = never_us;
  for (const auto& one : flights_) next = std::min(next, end_of(one));
  if (next == never_us) return std::nullopt;
  return std::max(next, clock_.now_us());
}

size_t virtual_network::progress() {
  for (size_t completed = 0;; ++completed) {
    const auto first = std::ranges::min_element(flights_, {}, [this](const flight& one) { return end_of(one); });
    if (first == flights_.end() || end_of(*first) > clock_.now_us()) return completed;
    auto one = std::move(*first);
    flights_.erase(first);
    one.done(deliver(one));
  }
}

core::result<transport::fetched> virtual_network::deliver(const flight& one) {
  if (one.given_up) return core::fail(*one.given_up, fmt::format("the fetch from {} was given up", one.source));
  const auto found = nodes_.find(one.source);
  if (found == nodes_.end()) return core::fail(core::errc::unavailable, one.source + " is not there");
  if (is_silent(one) || one.due_us > clock_.now_us())
    return core::fail(core::errc::deadline_exceeded, one.source + " has brought nothing");
  if (found->second.incarnation != one.incarnation)
    return core::fail(core::errc::version_mismatch, one.source + " has started again");
  const auto& range = one.request.source;
  const auto bytes = found->second.exports->pin(range);
  if (!bytes) return core::fail(bytes.error());
  auto* target = one.request.target.address;
  std::memcpy(target, bytes->address, range.length_bytes);
  found->second.exports->unpin(range);
  heard_us_[{one.asker, one.source}] = clock_.now_us();
  if (random_.below(1'000'000) < links_[one.source].flips_ppm)
    target[random_.below(range.length_bytes)] ^= static_cast<std::byte>(1u << random_.below(8));
  return transport::fetched{range.length_bytes, clock_.now_us() - one.called_us, transport::path::loopback,
                            std::nullopt};
}

} // namespace fastptm::sim::world
