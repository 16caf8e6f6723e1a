// What was wrong where and when: what may go wrong therefore, and nothing else.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/clock.hpp"

namespace fastptm::sim::world {

// Of nodes and of models, by name.
class troubles {
public:
  void note(const std::string& where, core::time_us from_us, core::time_us until_us) {
    all_[where].push_back({from_us, until_us});
  }
  bool were(const std::string& where, core::time_us from_us, core::time_us until_us) const {
    const auto found = all_.find(where);
    if (found == all_.end()) return false;
    for (const auto& one : found->second)
      if (one.from_us <= until_us && one.until_us >= from_us) return true;
    return false;
  }

private:
  struct span {
    core::time_us from_us = 0, until_us = 0;
  };
  std::map<std::string, std::vector<span>> all_;
};

} // namespace fastptm::sim::world
