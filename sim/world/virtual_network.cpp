// Flights in a queue by when they end at the earliest; whoever is not over then is put back behind.
#include "sim/world/virtual_network.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include <fmt/format.h>

#include "core/check.hpp"
#include "weights/format/hash.hpp"

namespace fastptm::sim::world {

namespace {

constexpr core::duration_us refusal_us = 200;   // until a closed connection is noticed
constexpr size_t fetches_in_flight = 256;       // of one asker, as the backends have it
constexpr core::duration_us pause_us = 100'000; // between what one load fetches and what the next one does

core::duration_us time_us(uint64_t bytes, uint64_t rate_bps) {
  return static_cast<core::duration_us>(bytes * 1'000'000 / rate_bps);
}

} // namespace

class virtual_network::asking final : public transport::fetcher {
public:
  asking(virtual_network& on, place& from) : network_(on), from_(from) {}

  core::result<transport::fetch_id> fetch(const transport::peer_address& peer, const transport::fetch_request& request,
                                          transport::fetch_done done) override {
    core::check(request.timeout_us > 0, "a fetch has a deadline");
    return network_.begin(from_, peer, request, std::move(done));
  }
  void cancel(transport::fetch_id id) override {
    const auto found = network_.flights_.find(id.value);
    if (found != network_.flights_.end()) network_.give_up(id.value, found->second, core::errc::cancelled);
  }
  void close_peer(std::string_view node, uint64_t incarnation) override { network_.close(from_, node, incarnation); }
  transport::path path_to(const transport::peer_address&) const override { return transport::path::loopback; }

private:
  virtual_network& network_;
  place& from_;
};

virtual_network::virtual_network(const core::clock& clock, uint64_t seed, const transport_lacks& lacks)
    : clock_(clock), random_(seed), lacks_(lacks) {}

virtual_network::~virtual_network() = default;

// -- nodes ------------------------------------------------------------------------------------------------------------

virtual_network::place& virtual_network::place_of(const std::string& name) {
  const auto [found, is_new] = places_.try_emplace(name);
  if (is_new) {
    found->second.name = name;
    found->second.number = static_cast<uint32_t>(places_.size());
  }
  return found->second;
}

transport::fetcher& virtual_network::add_node(const std::string& name, uint64_t incarnation,
                                              transport::exporter& exports) {
  auto& at = place_of(name);
  at.incarnation = incarnation;
  at.exports = &exports;
  at.fetcher = std::make_unique<asking>(*this, at);
  at.free_at_us = 0;
  return *at.fetcher;
}

void virtual_network::remove_node(const std::string& name) {
  auto& at = place_of(name);
  for (auto one = flights_.begin(); one != flights_.end();) {
    const auto next = std::next(one);
    if (one->second.asker == &at) forget(one);
    one = next;
  }
  at.exports = nullptr;
  at.fetcher = nullptr;
  at.is_frozen = false;
  for (auto& [id, one] : flights_)
    if (one.source == &at) one.due_us = std::min(one.due_us, clock_.now_us() + refusal_us);
  list_all();
}

void virtual_network::freeze(const std::string& name) {
  note_heard();
  place_of(name).is_frozen = true;
  list_all();
}

void virtual_network::thaw(const std::string& name) {
  place_of(name).is_frozen = false;
  list_all();
}

void virtual_network::cut(const std::string& one, const std::string& other) {
  note_heard();
  cuts_.insert(between(place_of(one), place_of(other)));
  list_all();
}

void virtual_network::mend(const std::string& one, const std::string& other) {
  cuts_.erase(between(place_of(one), place_of(other)));
  list_all();
}

// All that share a link get some of it all the time: until now, from every source that has begun to answer.
void virtual_network::note_heard() {
  const auto now = clock_.now_us();
  for (const auto& [id, one] : flights_)
    if (one.source->exports != nullptr && one.called_us + one.source->link.latency_us <= now && !is_silent(one))
      heard_us_[{one.asker->number, one.source->number}] = now;
}

// -- fetches ----------------------------------------------------------------------------------------------------------

core::result<transport::fetch_id> virtual_network::begin(place& asker, const transport::peer_address& peer,
                                                         const transport::fetch_request& request,
                                                         transport::fetch_done done) {
  if (asker.link.is_full && lacks_.retries_at_once) return core::fail(core::errc::unavailable, "refused all the time");
  if (asker.link.is_full || asker.asked >= fetches_in_flight)
    return core::fail(core::errc::busy, "too much is in flight");
  const auto now = clock_.now_us();
  auto& source = place_of(peer.node);
  flight made{&asker, &source, peer.incarnation, request, now, now + refusal_us, std::move(done), {}};
  note_series(asker);
  if (source.exports != nullptr) {
    const auto latency = static_cast<uint64_t>(source.link.latency_us);
    const auto answered_us = now + source.link.latency_us + static_cast<core::duration_us>(random_.below(latency + 1));
    made.is_refused = source.link.refuses;
    made.due_us = answered_us;
    if (!made.is_refused) {
      source.free_at_us =
          std::max(source.free_at_us, answered_us) + time_us(request.source.length_bytes, source.link.rate_bps);
      made.due_us = source.free_at_us;
    }
  }
  ++asker.asked;
  const auto id = ++last_id_;
  list(id, flights_.emplace(id, std::move(made)).first->second);
  return transport::fetch_id{id};
}

void virtual_network::note_series(place& asker) {
  const auto now = clock_.now_us();
  if (now > asker.series_last_us + pause_us && asker.asked == 0) asker.series_from_us = now;
  asker.series_last_us = now;
}

bool virtual_network::lasts_too_long(const place& asker) const {
  return lacks_.longest_us > 0 && clock_.now_us() - asker.series_from_us > lacks_.longest_us;
}

void virtual_network::give_up(uint64_t id, flight& one, core::errc why) {
  if (one.given_up) return;
  one.given_up = why;
  list(id, one);
}

void virtual_network::close(const place& asker, std::string_view source, uint64_t incarnation) {
  for (auto& [id, one] : flights_)
    if (one.asker == &asker && one.source->name == source && one.incarnation == incarnation)
      give_up(id, one, core::errc::unavailable);
}

// -- time -------------------------------------------------------------------------------------------------------------

bool virtual_network::is_silent(const flight& one) const {
  return one.source->is_frozen || (!cuts_.empty() && cuts_.contains(between(*one.asker, *one.source)));
}

core::time_us virtual_network::end_of(const flight& one) const {
  if (one.asker->is_frozen) return never_us; // nobody there takes note
  if (one.given_up) return clock_.now_us();
  if (one.is_forgotten) return never_us;
  if (one.source->exports == nullptr) return one.due_us;
  if (lacks_.closes_when_late) return std::min(one.due_us, one.called_us + one.request.timeout_us);
  if (!is_silent(one)) return one.due_us;
  const auto heard = heard_us_.find({one.asker->number, one.source->number});
  return std::max(one.called_us, heard == heard_us_.end() ? 0 : heard->second) + one.request.timeout_us;
}

void virtual_network::list(uint64_t id, flight& one) {
  const auto end_us = end_of(one);
  if (end_us == one.listed_us) return;
  if (one.listed_us != never_us) due_.erase({one.listed_us, id});
  if (end_us != never_us) due_.emplace(end_us, id);
  one.listed_us = end_us;
}

// Something has changed that may end fetches earlier.
void virtual_network::list_all() {
  for (auto& [id, one] : flights_) list(id, one);
}

void virtual_network::forget(flights::iterator one) {
  if (one->second.listed_us != never_us) due_.erase({one->second.listed_us, one->first});
  --one->second.asker->asked;
  flights_.erase(one);
}

// Puts those behind that have more time than they had.
std::optional<core::time_us> virtual_network::next_due_us() {
  while (!due_.empty()) {
    const auto [at_us, id] = *due_.begin();
    auto& first = flights_.at(id);
    list(id, first);
    if (first.listed_us == at_us) return std::max(at_us, clock_.now_us());
  }
  return std::nullopt;
}

bool virtual_network::first_is_due() {
  const auto next = next_due_us();
  return next && *next <= clock_.now_us();
}

size_t virtual_network::progress() {
  size_t completed = 0;
  while (first_is_due()) {
    const auto first = flights_.find(due_.begin()->second);
    auto result = end(first->second);
    if (first->second.is_forgotten) {
      list(first->first, first->second);
      continue;
    }
    const auto done = std::move(first->second.done);
    forget(first);
    done(std::move(result));
    ++completed;
  }
  return completed;
}

core::result<transport::fetched> virtual_network::end(flight& one) {
  one.is_forgotten = false;
  one.asker->series_last_us = clock_.now_us();
  const auto& source = *one.source;
  if (one.given_up) return core::fail(*one.given_up, fmt::format("the fetch from {} was given up", source.name));
  if (source.exports == nullptr) return core::fail(core::errc::unavailable, source.name + " is not there");
  if (is_silent(one) || one.due_us > clock_.now_us()) {
    if (lacks_.closes_when_late) close(*one.asker, source.name, one.incarnation);
    return core::fail(core::errc::deadline_exceeded, source.name + " has brought nothing");
  }
  if (source.incarnation != one.incarnation)
    return core::fail(core::errc::version_mismatch, source.name + " has started again");
  if (one.is_refused)
    return core::fail(lacks_.retries_at_once ? core::errc::unavailable : core::errc::busy, source.name + " refuses");
  if (lasts_too_long(*one.asker)) return core::fail(core::errc::unavailable, "the load takes too long");
  return copy(one);
}

core::result<transport::fetched> virtual_network::copy(flight& one) {
  auto& source = *one.source;
  const auto& range = one.request.source;
  const auto bytes = source.exports->pin(range);
  if (!bytes) return core::fail(bytes.error());
  auto* target = one.request.target.address;
  std::memcpy(target, bytes->address, range.length_bytes);
  source.exports->unpin(range);
  heard_us_[{one.asker->number, source.number}] = clock_.now_us();
  if (random_.below(1'000'000) < source.link.flips_ppm) {
    target[random_.below(range.length_bytes)] ^= static_cast<std::byte>(1u << random_.below(8));
    one.is_forgotten = lacks_.forgets_wrong_chunks;
  }
  transport::fetched got{range.length_bytes, clock_.now_us() - one.called_us, transport::path::loopback, {}};
  if (one.asker->incarnation % 2 == 0) got.checksum = weights::chunk_checksum(target, range.length_bytes);
  return got;
}

} // namespace fastptm::sim::world
