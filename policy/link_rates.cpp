// Priors, memories and how they fade; see link_rates.hpp.
#include "policy/link_rates.hpp"

#include <algorithm>

namespace fastptm::policy {

namespace {

// Of the way back to the prior, with every load: a rate that was off is half forgotten after five.
constexpr int64_t fading = 8;
// A chunk: less is all beginning.
constexpr uint64_t least_bytes = 4ull << 20;

} // namespace

void link_rates::calibrated(std::string path, uint64_t rate_bps) {
  if (rate_bps > 0) limits_bps_[std::move(path)] = rate_bps;
}

// Both figures are low rather than high.
void link_rates::seen(source_kind kind, const std::string& node, std::string_view path, const link_sight& of) {
  const auto rate_bps = std::max(of.mean_bps, of.last_bps);
  if (of.bytes >= least_bytes && rate_bps > 0) seen_[{node, kind}] = {rate_bps, prior_bps(kind, path), true};
}

void link_rates::forget(const std::string& node) {
  std::erase_if(seen_, [&](const auto& one) { return one.first.first == node; });
}

void link_rates::fade() {
  for (auto& [source, of] : seen_) {
    if (!std::exchange(of.is_new, false))
      of.rate_bps += static_cast<uint64_t>(static_cast<int64_t>(of.prior_bps - of.rate_bps) / fading);
  }
}

uint64_t link_rates::rate_bps(source_kind kind, const std::string& node, std::string_view path) const {
  const auto known = seen_.find({node, kind});
  return known == seen_.end() ? prior_bps(kind, path) : known->second.rate_bps;
}

uint64_t link_rates::limit_bps(std::string_view path) const {
  const auto known = limits_bps_.find(path);
  return known == limits_bps_.end() ? 0 : known->second;
}

uint64_t link_rates::prior_bps(source_kind kind, std::string_view path) const {
  const auto limit = limit_bps(path);
  return limit > 0 ? limit : assumed_rate_bps(kind);
}

} // namespace fastptm::policy
