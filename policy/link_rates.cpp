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
  if (rate_bps > 0) calibrated_bps_[std::move(path)] = rate_bps;
}

// Both figures are low rather than high.
void link_rates::seen(source_kind kind, const std::string& node, std::string_view path, const link_sight& of) {
  const auto rate_bps = std::max(of.mean_bps, of.last_bps);
  if (of.bytes >= least_bytes && rate_bps > 0) seen_[{node, kind}] = {rate_bps, prior_bps(kind, path), true};
}

void link_rates::used(const std::string& node, const std::string& path, const link_use& of) {
  if (of.bytes < least_bytes || of.rate_bps == 0) return;
  auto rate_bps = std::max(limit_bps(node, path, of.is_where_calibrated), of.rate_bps);
  if (of.was_limit) rate_bps -= (rate_bps - of.rate_bps) / fading;
  links_[{node, path}] = rate_bps;
}

void link_rates::forget(const std::string& node) {
  std::erase_if(seen_, [&](const auto& one) { return one.first.first == node; });
  std::erase_if(links_, [&](const auto& one) { return one.first.first == node; });
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

uint64_t link_rates::limit_bps(const std::string& node, const std::string& path, bool is_where_calibrated) const {
  const auto known = links_.find({node, path});
  if (known != links_.end()) return known->second;
  return is_where_calibrated ? calibrated_bps(path) : 0;
}

uint64_t link_rates::calibrated_bps(std::string_view path) const {
  const auto known = calibrated_bps_.find(path);
  return known == calibrated_bps_.end() ? 0 : known->second;
}

uint64_t link_rates::prior_bps(source_kind kind, std::string_view path) const {
  const auto calibrated = calibrated_bps(path);
  return calibrated > 0 ? calibrated : assumed_rate_bps(kind);
}

} // namespace fastptm::policy
