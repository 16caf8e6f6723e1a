// The data plane between the nodes of a world, in virtual time.
// Links can be slow, late, cut, refuse, or turn bits; nodes may be dead, frozen or liars.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "core/clock.hpp"
#include "core/random.hpp"
#include "transport/fetcher.hpp"

namespace fastptm::sim::world {

// What is wrong with what a node sends; may change while fetches are under way.
struct link_condition {
  uint64_t rate_bps = 60'000'000;     // of all that it sends together
  core::duration_us latency_us = 100; // of a question and its answer, with as much again of jitter at most
  uint32_t flips_ppm = 0;             // of its chunks, that one bit of arrives wrong
  bool refuses = false;               // has too much to do for others
  bool is_full = false;               // its own transport takes no fetch
};

// What the backends do right, and a world can be made to lack.
struct transport_lacks {
  bool forgets_wrong_chunks = false; // nobody is told that they have come
  bool closes_when_late = false;     // a chunk's patience counts from when it was asked for; then all of its source go
  bool retries_at_once = false;      // what is refused is asked for again without a pause, and then given up
  core::duration_us longest_us = 0;  // for which an asker may fetch without a pause, however much comes; 0: for ever
};

// Deterministic: nothing completes but inside progress(), in order of time and then of calls. One thread. Exporters
// outlive their node's place in it. Every second life of a node has a backend that computes checksums while copying.
class virtual_network {
public:
  virtual_network(const core::clock& clock, uint64_t seed, const transport_lacks& lacks = {});
  ~virtual_network();

  // A life of a node begins; what it asks goes by its fetcher, which ends with that life.
  transport::fetcher& add_node(const std::string& name, uint64_t incarnation, transport::exporter& exports);
  // It ends: nothing of what it asked completes any more, what it was asked fails.
  void remove_node(const std::string& name);

  link_condition& link_of(const std::string& name) { return places_[name].link; }
  void freeze(const std::string& name);
  void thaw(const std::string& name);
  // No byte passes between the two, either way.
  void cut(const std::string& one, const std::string& other);
  void mend(const std::string& one, const std::string& other);

  // Completes what is due; returns how many fetches that were.
  size_t progress();
  std::optional<core::time_us> next_due_us(); // nothing: never, as it stands

private:
  static constexpr auto never_us = std::numeric_limits<core::time_us>::max();

  class asking;
  // Of a node, for all of its lives.
  struct place {
    std::string name;
    uint32_t number = 0;
    link_condition link;
    bool is_frozen = false;
    // Of the life that it has; no exporter: it has none.
    uint64_t incarnation = 0;
    transport::exporter* exports = nullptr;
    std::unique_ptr<transport::fetcher> fetcher;
    core::time_us free_at_us = 0; // its link
    size_t asked = 0;             // in flight
    core::time_us series_from_us = 0, series_last_us = 0;
  };
  struct flight {
    place* asker = nullptr;
    place* source = nullptr;
    uint64_t incarnation = 0; // of the source, as asked
    transport::fetch_request request;
    core::time_us called_us = 0;
    core::time_us due_us = 0; // of its last byte
    transport::fetch_done done;
    std::optional<core::errc> given_up;
    bool is_refused = false;
    bool is_forgotten = false;
    core::time_us listed_us = never_us; // in due_: when it ends at the earliest
  };
  using flights = std::unordered_map<uint64_t, flight>;
  using pair_of_places = std::pair<uint32_t, uint32_t>;

  place& place_of(const std::string& name);
  static pair_of_places between(const place& one, const place& other) { return std::minmax(one.number, other.number); }
  core::result<transport::fetch_id> begin(place& asker, const transport::peer_address& peer,
                                          const transport::fetch_request& request, transport::fetch_done done);
  void note_heard();
  void note_series(place& asker);
  bool lasts_too_long(const place& asker) const;
  void give_up(uint64_t id, flight& one, core::errc why);
  void close(const place& asker, std::string_view source, uint64_t incarnation);
  bool is_silent(const flight& one) const;
  core::time_us end_of(const flight& one) const;
  void list(uint64_t id, flight& one);
  void list_all();
  void forget(flights::iterator one);
  bool first_is_due();
  core::result<transport::fetched> end(flight& one);
  core::result<transport::fetched> copy(flight& one);

  const core::clock& clock_;
  core::prng random_;
  const transport_lacks lacks_;
  std::map<std::string, place> places_;
  std::set<pair_of_places> cuts_;
  std::map<pair_of_places, core::time_us> heard_us_; // asker, source: when bytes came last
  flights flights_;
  std::set<std::pair<core::time_us, uint64_t>> due_; // those that will end, at the earliest then
  uint64_t last_id_ = 0;
};

} // namespace fastptm::sim::world
