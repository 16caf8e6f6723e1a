// `fastptm sim`: the whole cluster in virtual time, for one seed or many.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "core/clock.hpp"
#include "core/json_writer.hpp"
#include "core/log.hpp"
#include "sim/world/world.hpp"

namespace fastptm::cli {

namespace {

using sim::world::outcome;

struct options {
  std::string scenario;
  uint64_t seed = 1;
  std::string seeds; // "A..B"
  std::vector<size_t> without;
  bool explains = false;
};

struct seed_range {
  uint64_t first = 0, last = 0;
};

core::result<seed_range> seeds_of(const options& chosen) {
  if (chosen.seeds.empty()) return seed_range{chosen.seed, chosen.seed};
  unsigned long long first = 0, last = 0;
  int end = 0;
  if (std::sscanf(chosen.seeds.c_str(), "%llu..%llu%n", &first, &last, &end) != 2 ||
      static_cast<size_t>(end) != chosen.seeds.size() || last < first)
    return core::fail(core::errc::invalid, fmt::format("--seeds {}: give A..B, for example 1..100", chosen.seeds));
  return seed_range{first, last};
}

// A folder that ends with the command: in memory, where there is such a place, for worlds wait for its disk.
class scratch_folder {
public:
  scratch_folder() {
    for (const auto& at : {std::filesystem::path("/dev/shm"), std::filesystem::temp_directory_path()}) {
      auto pattern = (at / "fastptm-sim-XXXXXX").string();
      if (mkdtemp(pattern.data()) == nullptr) continue;
      path_ = pattern;
      return;
    }
  }
  ~scratch_folder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  scratch_folder(const scratch_folder&) = delete;
  scratch_folder& operator=(const scratch_folder&) = delete;
  const std::filesystem::path& path() const { return path_; }

private:
  std::filesystem::path path_;
};

std::string repeat_command(const std::string& scenario, uint64_t seed, const std::vector<size_t>& without) {
  auto command = fmt::format("fastptm sim {} --seed {}", scenario, seed);
  for (const auto one : without) command += fmt::format(" --without {}", one);
  return command;
}

// Leaves out one fault after the other as long as something is still violated: what is left matters.
std::vector<size_t> shrink(const sim::world::scenario& what, const outcome& failed, std::vector<size_t> without,
                           sim::world::shelf& models) {
  for (size_t i = 0; i < failed.planned_faults; ++i) {
    if (std::find(without.begin(), without.end(), i) != without.end()) continue;
    auto fewer = without;
    fewer.push_back(i);
    if (!sim::world::run(what, failed.seed, models, fewer).violations.empty()) without = std::move(fewer);
  }
  return without;
}

std::string list_of(const std::vector<std::string>& texts) {
  core::json_list list;
  for (const auto& each : texts) list.add(core::json_text(each));
  return list.str();
}

void print(const outcome& of, core::duration_us wall_us, const std::string& repeat) {
  core::json_writer line;
  line.number("seed", of.seed).text("transcript", fmt::format("{:016x}", of.transcript));
  line.number("switches", of.loads).number("answers", of.answers).number("refused", of.refused);
  line.number("wrong_within_bound", of.wrong_within_bound).number("repaired", of.repaired);
  line.number("messages", of.messages);
  line.number("virtual_s", of.virtual_us / 1'000'000).real("wall_s", static_cast<double>(wall_us) / 1e6);
  line.raw("violations", list_of(of.violations));
  if (!repeat.empty()) line.raw("faults", list_of(of.faults)).text("repeat", repeat);
  print_line(line.str());
}

int run(const options& chosen) {
  const auto what = sim::world::scenario_named(chosen.scenario);
  if (!what) return failed(what.error());
  const auto range = seeds_of(chosen);
  if (!range) return failed(range.error());
  core::log::open("sim", chosen.explains ? core::log::level::info : core::log::level::none);
  const scratch_folder folder;
  const auto models = sim::world::shelf::make(folder.path(), what->models);
  if (!models) return failed(models.error());
  bool all_hold = true;
  for (auto seed = range->first; seed <= range->last; ++seed) {
    const auto began_us = core::monotonic_now_us();
    const auto got = sim::world::run(*what, seed, **models, chosen.without);
    const auto wall_us = core::monotonic_now_us() - began_us;
    if (chosen.explains)
      for (const auto& fault : got.faults) fmt::print(stderr, "{}\n", fault);
    if (got.violations.empty()) {
      print(got, wall_us, "");
      continue;
    }
    all_hold = false;
    const auto without = chosen.explains ? chosen.without : shrink(*what, got, chosen.without, **models);
    print(sim::world::run(*what, seed, **models, without), wall_us, repeat_command(what->name, seed, without));
  }
  return all_hold ? 0 : 1;
}

} // namespace

void add_sim(CLI::App& app, invocation& chosen) {
  auto* command =
      app.add_subcommand("sim", "The whole cluster in virtual time, with faults by seed: does everything hold?");
  auto given = std::make_shared<options>();
  command->add_option("SCENARIO", given->scenario, fmt::format("{}", fmt::join(sim::world::scenario_names(), ", ")))
      ->required();
  command->add_option("--seed", given->seed, "Decides everything that happens")->capture_default_str();
  command->add_option("--seeds", given->seeds, "A..B: one run for each");
  command->add_option("--without", given->without, "Leaves out the fault of this number; repeatable");
  command->add_flag("--json")->description("One JSON object a line, as without it"); // as everywhere, for scripts
  command->add_flag("--explain", given->explains, "What goes wrong when, and the log of all nodes, on stderr");
  command->footer("Example:\n  fastptm sim everything --seeds 1..100");
  command->callback([&chosen, given] { chosen = [given] { return run(*given); }; });
}

} // namespace fastptm::cli
