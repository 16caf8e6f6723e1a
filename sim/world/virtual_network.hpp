// The data plane between the nodes of a world, in virtual time.
// Links can be slow, late, cut, or turn bits; nodes may be dead, frozen or liars.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "core/clock.hpp"
#include "core/random.hpp"
#include "transport/fetcher.hpp"

namespace fastptm::sim::world {

// What is wrong with what a node sends; may change while fetches are under way.
struct link_condition {
  uint64_t rate_bps = 1'000'000'000;  // of all that it sends together
  core::duration_us latency_us = 100; // of a question and its answer, with as much again of jitter at most
  uint32_t flips_ppm = 0;             // of its chunks, that one bit of arrives wrong
};

// Deterministic: nothing completes but inside progress(), in order of time and then of calls. One thread. Exporters
// outlive their node's place in it.
class virtual_network {
public:
  virtual_network(const core::clock& clock, uint64_t seed);
  ~virtual_network();

  // A life of a node begins; what it asks goes by its fetcher, which ends with that life.
  transport::fetcher& add_node(const std::string& name, uint64_t incarnation, transport::exporter& exports);
  // It ends: nothing of what it asked completes any more, what it was asked fails.
  void remove_node(const std::string& name);

  link_condition& link_of(const std::string& name) { return links_[name]; }
  void freeze(const std::string& name) { frozen_.insert(name); }
  void thaw(const std::string& name) { frozen_.erase(name); }
  // No byte passes between the two, either way.
  void cut(const std::string& one, const std::string& other) { cuts_.insert(std::minmax(one, other)); }
  void mend(const std::string& one, const std::string& other) { cuts_.erase(std::minmax(one, other)); }

  // Completes what is due; returns how many fetches that were.
  size_t progress();
  std::optional<core::time_us> next_due_us() const; // nothing: never, as it stands

private:
  class asking;
  struct node {
    uint64_t incarnation = 0;
    transport::exporter* exports = nullptr;
    std::unique_ptr<asking> fetcher;
    core::time_us free_at_us = 0; // its link
  };
  struct flight {
    uint64_t id = 0;
    std::string asker, source;
    uint64_t incarnation = 0; // of the source, as asked
    transport::fetch_request request;
    core::time_us called_us = 0;
    core::time_us due_us = 0; // of its last byte
    transport::fetch_done done;
    std::optional<core::errc> given_up;
  };
  using link = std::pair<std::string, std::string>;

  uint64_t begin(const std::string& asker, const transport::peer_address& peer, const transport::fetch_request& request,
                 transport::fetch_done done);
  template <class Which> void give_up(const std::string& asker, core::errc why, Which is_meant);
  bool is_silent(const flight& one) const;
  core::time_us end_of(const flight& one) const;
  core::result<transport::fetched> deliver(const flight& one);

  const core::clock& clock_;
  core::prng random_;
  std::map<std::string, node> nodes_;
  std::map<std::string, link_condition> links_; // of lives past and to come, too
  std::set<std::string> frozen_;
  std::set<std::pair<std::string, std::string>> cuts_; // the lesser name first
  std::map<link, core::time_us> heard_us_;             // asker, source: when bytes came last
  std::deque<flight> flights_;
  uint64_t last_id_ = 0;
};

} // namespace fastptm::sim::world
