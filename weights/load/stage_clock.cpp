// A tree of events, each pointing at its cause; a load's account is the way from its last one to the root.
#include "weights/load/stage_clock.hpp"

#include <algorithm>

#include "core/check.hpp"

namespace fastptm::weights {

namespace {

void append(std::vector<load_stage>& to, const load_stage& part) {
  if (part.start_us == part.end_us) return;
  if (!to.empty() && to.back().name == part.name)
    to.back().end_us = part.end_us;
  else
    to.push_back(part);
}

void add_up(std::vector<load_stage>& sums, const load_stage& part) {
  const auto known = std::ranges::find(sums, part.name, &load_stage::name);
  if (known == sums.end())
    sums.push_back({part.name, 0, part.end_us - part.start_us});
  else
    known->end_us += part.end_us - part.start_us;
}

} // namespace

stage_clock::moment stage_clock::after(moment cause, load_wait what, core::time_us now) {
  core::check(now >= at_us(cause), "a cause comes before its effect");
  moments_.push_back({now, cause, what});
  return static_cast<moment>(moments_.size() - 1);
}

void stage_clock::split(moment of, load_wait what, core::duration_us first_us) {
  core::check(first_us >= 0 && first_us <= waited_us(of), "a part is no longer than the whole");
  const auto cause = moments_[of].cause;
  moments_.push_back({at_us(cause) + first_us, cause, what});
  moments_[of].cause = static_cast<moment>(moments_.size() - 1);
}

std::vector<load_stage> stage_clock::path_to(moment last, size_t most) const {
  std::vector<load_stage> backwards;
  for (auto at = last; at != beginning; at = moments_[at].cause)
    backwards.push_back({std::string(to_string(moments_[at].what)), at_us(moments_[at].cause), at_us(at)});
  std::vector<load_stage> parts;
  for (auto part = backwards.rbegin(); part != backwards.rend(); ++part) append(parts, *part);
  if (parts.size() <= most) return parts;
  const auto kinds = names_of(std::type_identity<load_wait>{}).size();
  const auto groups = std::max<size_t>(most / kinds, 1);
  const auto in_a_group = (parts.size() + groups - 1) / groups;
  std::vector<load_stage> told;
  for (size_t begin = 0; begin < parts.size(); begin += in_a_group) {
    std::vector<load_stage> sums;
    const auto end = std::min(begin + in_a_group, parts.size());
    for (auto i = begin; i < end; ++i) add_up(sums, parts[i]);
    auto at_us = parts[begin].start_us;
    for (const auto& sum : sums) {
      append(told, {sum.name, at_us, at_us + sum.end_us});
      at_us += sum.end_us;
    }
  }
  return told;
}

std::string_view longest_of(const std::vector<load_stage>& stages) {
  std::vector<load_stage> sums;
  for (const auto& stage : stages) add_up(sums, stage);
  std::string_view longest;
  core::duration_us longest_us = 0;
  for (const auto& sum : sums) {
    if (sum.end_us <= longest_us) continue;
    longest_us = sum.end_us;
    longest = std::ranges::find(stages, sum.name, &load_stage::name)->name;
  }
  return longest;
}

} // namespace fastptm::weights
