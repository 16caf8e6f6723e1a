// Loads that share the links of their sources, in virtual time: what a fetch_plan meets on a network.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "policy/fetch_plan.hpp"

namespace fastptm::policy::tests {

// A source's link: what is asked over one connection comes one after the other, connections share alike.
struct simulated_source {
  uint64_t rate_bps = 0;
  bool hung = false;
};

// One load and its connections, driven as weights/load/loader does it.
class simulated_load {
public:
  struct asked {
    chunk_fetch what;
    core::time_us asked_us = 0;
    uint64_t left_bytes = 0;
  };
  struct connection {
    std::deque<asked> fetches;
    core::time_us heard_us = 0;
  };

  simulated_load(const fetch_plan_options& options, const std::vector<uint64_t>& shards, size_t sources)
      : plan(options, shards), connections(sources) {
    for (size_t i = 0; i < sources; ++i) {
      const auto number = plan.add_source(source_kind::peer_device, 0);
      for (uint32_t shard = 0; shard < shards.size(); ++shard) plan.add_holding(number, shard);
    }
  }

  void drive(core::time_us now) {
    for (const auto lost : plan.look(now)) cancel(lost, now);
    while (const auto next = plan.next(now)) {
      auto& to = connections[next->source];
      to.fetches.push_back({*next, now, next->length_bytes});
    }
    if (plan.done() && !done_us) done_us = now;
  }

  // The bytes that a connection brings; what is complete has landed.
  void bring(uint32_t source, uint64_t bytes, core::time_us now) {
    auto& by = connections[source];
    by.heard_us = now;
    while (bytes > 0 && !by.fetches.empty()) {
      auto& first = by.fetches.front();
      const auto part = std::min(bytes, first.left_bytes);
      bytes -= part;
      first.left_bytes -= part;
      brought_bytes += part;
      if (first.left_bytes > 0) return;
      const auto what = first.what;
      by.fetches.pop_front();
      const bool is_hedged = plan.is_hedged(what);
      const auto place = plan.on_landed(what, now);
      if (place == chunk_place::target || place == chunk_place::buffer) plan.on_verified(what);
      if (is_hedged) cancel_others(what, now);
      drive(now);
    }
  }

  // What transports do: a fetch is late when its connection has brought nothing for the time that it had.
  void give_up_late(core::time_us now) {
    for (uint32_t source = 0; source < connections.size(); ++source) {
      auto& from = connections[source];
      const auto is_late = [&](const asked& one) {
        return now > std::max(one.asked_us, from.heard_us) + one.what.timeout_us;
      };
      if (std::none_of(from.fetches.begin(), from.fetches.end(), is_late)) continue;
      late += static_cast<uint32_t>(from.fetches.size());
      for (const auto& one : std::exchange(from.fetches, {})) plan.on_failed(one.what, fetch_failure::silent, now);
      drive(now);
    }
  }

  fetch_plan plan;
  std::vector<connection> connections;
  uint32_t late = 0; // fetches
  uint64_t brought_bytes = 0;
  std::optional<core::time_us> done_us;

private:
  void cancel(uint32_t source, core::time_us now) {
    for (const auto& one : std::exchange(connections[source].fetches, {}))
      plan.on_failed(one.what, fetch_failure::cancelled, now);
  }
  void cancel_others(const chunk_fetch& landed, core::time_us now) {
    for (auto& from : connections) {
      const auto same = [&](const asked& one) {
        return one.what.shard == landed.shard && one.what.chunk == landed.chunk;
      };
      const auto other = std::find_if(from.fetches.begin(), from.fetches.end(), same);
      if (other == from.fetches.end()) continue;
      const auto what = other->what;
      from.fetches.erase(other);
      if (plan.on_failed(what, fetch_failure::cancelled, now) == chunk_place::buffer)
        plan.on_verified(plan.hedge_of(what));
    }
  }
};

// Until every load is done, or `limit_us`.
inline void run(std::vector<simulated_source>& sources, std::deque<simulated_load>& loads, core::time_us limit_us,
                core::duration_us step_us = 1'000) {
  for (core::time_us now = 0; now <= limit_us; now += step_us) {
    if (now == 0)
      for (auto& load : loads) load.drive(now);
    for (uint32_t source = 0; source < sources.size(); ++source) {
      const auto asks = [&](const simulated_load& load) { return !load.connections[source].fetches.empty(); };
      const auto sharing = std::count_if(loads.begin(), loads.end(), asks);
      if (sharing == 0 || sources[source].hung) continue;
      const auto bytes = sources[source].rate_bps * static_cast<uint64_t>(step_us) / 1'000'000;
      for (auto& load : loads)
        if (asks(load)) load.bring(source, bytes / static_cast<uint64_t>(sharing), now + step_us);
    }
    for (auto& load : loads) {
      load.give_up_late(now + step_us);
      load.drive(now + step_us);
    }
    if (std::all_of(loads.begin(), loads.end(), [](const auto& load) { return load.done_us.has_value(); })) return;
  }
}

} // namespace fastptm::policy::tests
