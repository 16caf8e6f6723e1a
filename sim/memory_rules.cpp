// Victims in the order of the rule until there is room; who turns out not to be needed stays.
#include "sim/memory_rules.hpp"

#include <algorithm>
#include <limits>

namespace fastptm::sim {

namespace {

class memories {
public:
  memories(const workload& w, uint32_t count, uint64_t bytes, memory_rule rule)
      : w_(w), rule_(rule), worth_(w.class_of.size(), 0), held_(w.class_of.size(), false), all_(count, {bytes, {}}) {
    if (rule == memory_rule::known_rates)
      for (const workload_request& r : w.requests) ++worth_[r.model];
    if (rule == memory_rule::known_future) find_next_uses();
  }

  rule_loads run() {
    for (size_t i = 0; i < w_.requests.size(); ++i) {
      const uint32_t model = w_.requests[i].model;
      if (rule_ == memory_rule::least_recent) worth_[model] = static_cast<int64_t>(i);
      if (rule_ == memory_rule::known_future) worth_[model] = -next_use_[i];
      if (!held_[model]) load(model);
    }
    return done_;
  }

private:
  struct memory {
    uint64_t free_bytes = 0;
    std::vector<uint32_t> sets;
  };
  struct loss {
    std::vector<uint32_t> victims;
    double worth = 0;
    bool enough = false;
  };

  uint64_t bytes_of(uint32_t model) const { return static_cast<uint64_t>(w_.classes[w_.class_of[model]].bytes); }

  void find_next_uses() {
    constexpr int64_t never = std::numeric_limits<int64_t>::max() / 2;
    std::vector<int64_t> next(w_.class_of.size(), never);
    next_use_.resize(w_.requests.size());
    for (size_t i = w_.requests.size(); i-- > 0;) {
      next_use_[i] = next[w_.requests[i].model];
      next[w_.requests[i].model] = static_cast<int64_t>(i);
    }
  }

  void load(uint32_t model) {
    const uint64_t bytes = bytes_of(model);
    memory* to = &*std::max_element(all_.begin(), all_.end(),
                                    [](const memory& a, const memory& b) { return a.free_bytes < b.free_bytes; });
    if (to->free_bytes < bytes) to = make_room(bytes);
    if (to == nullptr) return; // Larger than a memory.
    to->free_bytes -= bytes;
    to->sets.push_back(model);
    held_[model] = true;
    ++done_.loads;
    done_.bytes += bytes;
  }

  memory* make_room(uint64_t bytes) {
    memory* best = nullptr;
    loss least;
    for (memory& m : all_) {
      loss of = loss_of(m, bytes - m.free_bytes);
      if (of.enough && (best == nullptr || of.worth < least.worth)) best = &m, least = std::move(of);
    }
    if (best == nullptr) return nullptr;
    for (const uint32_t victim : least.victims) {
      best->free_bytes += bytes_of(victim);
      held_[victim] = false;
      std::erase(best->sets, victim);
    }
    return best;
  }

  loss loss_of(memory& m, uint64_t lacking) const {
    std::sort(m.sets.begin(), m.sets.end(), [&](uint32_t a, uint32_t b) { return worth_[a] < worth_[b]; });
    loss out;
    uint64_t gained = 0;
    for (const uint32_t candidate : m.sets) {
      if (gained >= lacking) break;
      out.victims.push_back(candidate);
      gained += bytes_of(candidate);
    }
    out.enough = gained >= lacking;
    for (size_t i = out.victims.size(); out.enough && i-- > 0;) {
      const uint64_t bytes = bytes_of(out.victims[i]);
      if (gained - bytes < lacking) continue;
      gained -= bytes;
      out.victims.erase(out.victims.begin() + static_cast<std::ptrdiff_t>(i));
    }
    out.worth = rule_ == memory_rule::known_rates ? 0.0 : std::numeric_limits<double>::lowest();
    for (const uint32_t victim : out.victims) {
      const auto worth = static_cast<double>(worth_[victim]);
      if (rule_ == memory_rule::known_rates)
        out.worth += worth * static_cast<double>(bytes_of(victim));
      else
        out.worth = std::max(out.worth, worth);
    }
    return out;
  }

  const workload& w_;
  memory_rule rule_;
  std::vector<int64_t> worth_; // By model, per byte: the least goes first.
  std::vector<bool> held_;
  std::vector<memory> all_;
  std::vector<int64_t> next_use_; // By request: the next one for its model.
  rule_loads done_;
};

} // namespace

rule_loads load_by_rule(const workload& w, uint32_t count, uint64_t bytes, memory_rule rule) {
  return memories(w, count, bytes, rule).run();
}

} // namespace fastptm::sim
