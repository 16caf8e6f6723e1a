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

// What a load has seen of a link: from a node to this one by a path, or a disk of that node.
struct link_use {
  uint64_t bytes = 0;
  uint64_t rate_bps = 0;            // while bytes came over it
  bool was_limit = false;           // nothing else held the load up more
  bool is_where_calibrated = false; // both its ends are
};

// Of one device, bytes per second. A rate only ranks sources and begins an estimate; a load measures while it runs. A
// value; one thread at a time. Holds at most an entry for every kind of source and every path of every node.
class link_rates {
public:
  // At the start, of a path: map, cma, tcp, io_uring.
  void calibrated(std::string path, uint64_t rate_bps);
  // By a load, which took bytes from there by that path; little of them says nothing.
  void seen(source_kind kind, const std::string& node, std::string_view path, const link_sight& of);
  // By a load: what the link carries. More than was known is known at once; less is believed, an eighth of the way, of
  // a load that the link has bounded: else it was not asked for more.
  void used(const std::string& node, const std::string& path, const link_use& of);
  // The next load begins without a memory of it: it has failed, is gone, or is another machine.
  void forget(const std::string& node);
  // After every load: what it has not seen again is believed less, lest a source that was slow once is never tried.
  void fade();

  uint64_t rate_bps(source_kind kind, const std::string& node, std::string_view path) const;
  // What loads are held against: as the loads before it have found the link; before that, if both ends are where the
  // paths were calibrated, what the path carried. 0: nothing is known.
  uint64_t limit_bps(const std::string& node, const std::string& path, bool is_where_calibrated) const;
  bool is_measured(const std::string& node, const std::string& path) const { return links_.contains({node, path}); }

private:
  struct entry {
    uint64_t rate_bps = 0;
    uint64_t prior_bps = 0; // what it fades to
    bool is_new = false;    // seen since the last fade()
  };
  uint64_t prior_bps(source_kind kind, std::string_view path) const;
  uint64_t calibrated_bps(std::string_view path) const;

  std::map<std::string, uint64_t, std::less<>> calibrated_bps_;
  std::map<std::pair<std::string, std::string>, uint64_t> links_; // by node and path: bytes per second
  std::map<std::pair<std::string, source_kind>, entry> seen_;
};

} // namespace fastptm::policy
