// Values by the digest of a card, those used last, as many as fit into a budget.
#pragma once

#include <cstddef>
#include <list>
#include <optional>
#include <utility>

#include "core/digest.hpp"

namespace fastptm::rpc {

// One thread. Values are cheap to copy: shared pointers.
template <class T> class recent {
public:
  explicit recent(size_t budget) : budget_(budget) {}

  std::optional<T> find(const core::digest& card) {
    for (auto at = entries_.begin(); at != entries_.end(); ++at) {
      if (at->card != card) continue;
      entries_.splice(entries_.begin(), entries_, at);
      return entries_.front().value;
    }
    return std::nullopt;
  }

  // In place of an older value of the card, which two requests may have read at once.
  // The newest stays whatever it costs.
  void add(const core::digest& card, T value, size_t cost) {
    forget(card);
    entries_.push_front({card, std::move(value), cost});
    spent_ += cost;
    while (spent_ > budget_ && entries_.size() > 1) {
      spent_ -= entries_.back().cost;
      entries_.pop_back();
    }
  }

private:
  struct entry {
    core::digest card;
    T value;
    size_t cost = 0;
  };

  void forget(const core::digest& card) {
    entries_.remove_if([&](const entry& each) {
      if (each.card != card) return false;
      spent_ -= each.cost;
      return true;
    });
  }

  const size_t budget_;
  size_t spent_ = 0;
  std::list<entry> entries_; // newest first
};

} // namespace fastptm::rpc
