// From a name and knobs to a core: the one place where strategies are listed.
#include "policy/scheduling/registry.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace fastptm::policy::scheduling {

namespace {

struct named_strategy {
  std::string_view name;
  std::unique_ptr<strategy> (*make)(const options&);
};
constexpr std::array strategies{
    named_strategy{"dxv", make_dxv},
    named_strategy{"omls", make_omls},
    named_strategy{"omls_clean", make_omls_clean},
    named_strategy{"fcfs", make_fcfs},
    named_strategy{"edf", make_edf},
    named_strategy{"sjf", make_sjf},
    named_strategy{"affinity", make_affinity},
    named_strategy{"least_loaded", make_least_loaded},
    named_strategy{"round_robin", make_round_robin},
};
constexpr auto names = [] {
  std::array<std::string_view, strategies.size()> all;
  for (size_t i = 0; i < all.size(); ++i) all[i] = strategies[i].name;
  return all;
}();

std::string known_names() {
  std::string all;
  for (const std::string_view n : names) all += (all.empty() ? "" : ", ") + std::string(n);
  return all;
}

core::result<void> check(const options& o) {
  const auto bad = [](std::string_view knob, std::string_view must) {
    return core::fail(core::errc::invalid, "scheduling option " + std::string(knob) + " must be " + std::string(must));
  };
  constexpr core::duration_us day_us = 86'400'000'000;
  if (o.max_batch < 1 || o.max_batch > 4096) return bad("max_batch", "1 to 4096");
  if (o.layers < 1 || o.layers > 4096) return bad("layers", "1 to 4096");
  if (!(o.hold >= 0.0 && o.hold <= 1e6)) return bad("hold", "0 to 1e6");
  if (o.max_models < 1 || o.max_devices < 1 || o.max_requests < 1)
    return bad("max_models, max_devices and max_requests", "at least 1");
  for (const auto& [knob, value] : {std::pair<std::string_view, core::duration_us>{"hold_guard_us", o.hold_guard_us},
                                    {"slack_scale_us", o.slack_scale_us},
                                    {"load_base_us", o.load_base_us},
                                    {"activate_us", o.activate_us},
                                    {"fair_window_us", o.fair_window_us},
                                    {"poll_us", o.poll_us},
                                    {"urgent_us", o.urgent_us},
                                    {"max_batch_us", o.max_batch_us},
                                    {"load_retry_us", o.load_retry_us},
                                    {"late_patience_us", o.late_patience_us}})
    if (value < 0 || value > day_us) return bad(knob, "0 to one day");
  return {};
}

} // namespace

std::span<const std::string_view> strategy_names() {
  return names;
}

core::result<std::unique_ptr<scheduling_core>> make_core(const options& chosen) {
  if (const auto good = check(chosen); !good) return core::fail(good.error());
  const auto found = std::find_if(strategies.begin(), strategies.end(),
                                  [&](const named_strategy& s) { return s.name == chosen.strategy; });
  if (found == strategies.end())
    return core::fail(core::errc::invalid,
                      "no scheduling strategy '" + chosen.strategy + "'; there are " + known_names());
  return std::make_unique<scheduling_core>(chosen, found->make(chosen));
}

} // namespace fastptm::policy::scheduling
