// What the links to sources carry: seen by loads, else measured at the start, else assumed. Feeds every choice of one.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "policy/sourcing.hpp"

namespace fastptm::policy {

// What a load has seen of one of its sources.
struct link_sight {
  uint64_t bytes = 0;
  uint64_t mean_bps = 0; // Over the time in which it was asked for anything: it has waited for others, too.
  uint64_t last_bps = 0; // At the end, where chunks are small.
};

// Of one device, bytes per second. A rate only ranks sources and begins an estimate; a load measures while it runs. A
// value; one thread at a time. Holds at most one entry for every kind of source of every node.
class link_rates {
public:
  // At the start, of a path: map, cma, tcp, io_uring.
  void calibrated(std::string path, uint64_t rate_bps);
  // By a load, which took bytes from there by that path; little of them says nothing.
  void seen(source_kind kind, const std::string& node, std::string_view path, const link_sight& of);
  // The next load begins without a memory of it: it has failed, is gone, or is another machine.
  void forget(const std::string& node);
  // After every load: what it has not seen again is believed less, lest a source that was slow once is never tried.
  void fade();

  uint64_t rate_bps(source_kind kind, const std::string& node, std::string_view path) const;
  // What loads are held against; 0: the path was not calibrated.
  uint64_t limit_bps(std::string_view path) const;

private:
  struct entry {
    uint64_t rate_bps = 0;
    uint64_t prior_bps = 0; // what it fades to
    bool is_new = false;    // seen since the last fade()
  };
  uint64_t prior_bps(source_kind kind, std::string_view path) const;

  std::map<std::string, uint64_t, std::less<>> limits_bps_;
  std::map<std::pair<std::string, source_kind>, entry> seen_;
};

} // namespace fastptm::policy
