// Batches and loads by device, then the constants that fit under all of them.
#include "cli/play/ran_schedule.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include <fmt/format.h>

namespace fastptm::cli {

namespace {

constexpr core::time_us never_us = std::numeric_limits<core::time_us>::max();
constexpr uint32_t most_layers = 4096;
constexpr core::duration_us parts_of_a_model = 14; // BERT-base: embeddings, twelve layers, head

struct batch {
  uint32_t model = 0;
  core::time_us end_us = 0;
  core::duration_us run_us = 0;
  std::vector<uint32_t> requests;
  ran_load* on = nullptr;
  core::time_us start_us() const { return end_us - run_us; }
};

struct device {
  std::vector<ran_load> loads; // By when they began.
  std::map<uint64_t, batch> batches;
};

using devices_by_name = std::map<std::string, device>;

devices_by_name sorted_by_device(const std::vector<ran_request>& requests, std::vector<ran_load> loads) {
  devices_by_name all;
  for (const auto& one : requests) {
    auto& ran = all[one.device].batches[one.batch];
    ran.model = one.model;
    ran.end_us = one.batch_end_us;
    ran.run_us = one.run_us;
    ran.requests.push_back(one.request);
  }
  std::sort(loads.begin(), loads.end(), [](const auto& a, const auto& b) { return a.began_us < b.began_us; });
  for (auto& one : loads) {
    if (one.left_us == 0) one.left_us = never_us;
    auto& before = all[one.device].loads;
    // Loaded again although it never left: the device was lost meanwhile, and all it held.
    for (auto& earlier : before)
      if (earlier.model == one.model && earlier.left_us == never_us) earlier.left_us = one.began_us;
    before.push_back(std::move(one));
  }
  return all;
}

// From the device's clock to the client's: nothing runs before it was sent or after it was answered.
core::duration_us clock_offset_us(const std::string& name, const std::vector<ran_request>& requests) {
  core::duration_us least_us = std::numeric_limits<core::duration_us>::min(), most_us = never_us;
  for (const auto& one : requests) {
    if (one.device != name) continue;
    least_us = std::max(least_us, one.sent_us - (one.batch_end_us - one.run_us));
    most_us = std::min(most_us, one.answered_us - one.batch_end_us);
  }
  return least_us <= 0 && most_us >= 0 ? 0 : least_us;
}

void shift(device& all, core::duration_us by_us) {
  for (auto& one : all.loads) {
    one.began_us += by_us;
    one.ready_us += by_us;
    if (one.left_us != never_us) one.left_us += by_us;
  }
  for (auto& [id, one] : all.batches) one.end_us += by_us;
}

core::result<void> find_loads(const std::string& name, device& all) {
  for (auto& [id, one] : all.batches) {
    for (auto& load : all.loads)
      if (load.model == one.model && load.began_us < one.end_us && load.left_us >= one.end_us) one.on = &load;
    if (one.on == nullptr)
      return core::fail(core::errc::not_found,
                        fmt::format("no account of the load under batch {} on {}: the head keeps those of the newest "
                                    "loads since it began; use a shorter trace, or start the cluster anew",
                                    id, name));
  }
  return {};
}

// A batch that ends before its load needed no more of it (a pooling head, say): for the schedule the set was ready when
// the batch began its own last part.
void end_loads_where_they_were_used(device& all) {
  for (auto& [id, one] : all.batches) {
    const auto last_part_us = one.end_us - std::max<core::duration_us>(1, one.run_us / parts_of_a_model);
    if (one.start_us() < one.on->ready_us) one.on->ready_us = std::min(one.on->ready_us, last_part_us);
  }
}

uint32_t most_at_once(std::vector<std::pair<core::time_us, int>> changes) {
  std::sort(changes.begin(), changes.end()); // What ends comes before what begins.
  int now = 0, most = 1;
  for (const auto& [at_us, by] : changes) most = std::max(most, now += by);
  return static_cast<uint32_t>(most);
}

void measure_loads(const devices_by_name& devices, measured_constants& to) {
  to.switch_us = never_us;
  for (const auto& [name, all] : devices) {
    std::vector<std::pair<core::time_us, int>> sets, copies;
    for (const auto& one : all.loads) {
      to.switch_us = std::min(to.switch_us, one.ready_us - one.began_us);
      sets.insert(sets.end(), {{one.began_us, 1}, {one.left_us, -1}});
      copies.insert(copies.end(), {{one.began_us, 1}, {one.ready_us, -1}});
    }
    to.resident = std::max(to.resident, most_at_once(std::move(sets)));
    to.copy_engines = std::max(to.copy_engines, most_at_once(std::move(copies)));
  }
  if (to.switch_us == never_us) to.switch_us = 0;
}

// Of all lines below the shortest execution of each batch size, the one that is nearest to them.
void measure_execution(const std::map<uint32_t, core::duration_us>& shortest_us, measured_constants& to) {
  std::vector<core::duration_us> slopes{0};
  for (const auto& [few, few_us] : shortest_us) {
    slopes.push_back(few_us / few);
    for (const auto& [many, many_us] : shortest_us)
      if (many > few) slopes.push_back((many_us - few_us) / (many - few));
  }
  core::duration_us best_us = -1;
  for (const auto slope_us : slopes) {
    core::duration_us base_us = never_us, sum_us = 0;
    for (const auto& [size, least_us] : shortest_us) base_us = std::min(base_us, least_us - slope_us * size);
    if (slope_us < 0 || base_us < 0) continue;
    for (const auto& [size, least_us] : shortest_us) sum_us += base_us + slope_us * size;
    if (sum_us < best_us || (sum_us == best_us && slope_us <= to.exec_us)) continue;
    best_us = sum_us;
    to.exec_base_us = base_us;
    to.exec_us = slope_us;
  }
}

void measure_batches(const devices_by_name& devices, measured_constants& to) {
  std::map<uint32_t, core::duration_us> shortest_us;
  for (const auto& [name, all] : devices) {
    for (const auto& [id, one] : all.batches) {
      const auto size = static_cast<uint32_t>(one.requests.size());
      to.max_batch = std::max(to.max_batch, size);
      const auto known = shortest_us.try_emplace(size, one.run_us).first;
      known->second = std::min(known->second, one.run_us);
    }
  }
  measure_execution(shortest_us, to);
}

// A batch that began during its load ends at least its last part's execution after it. So many parts are enough for
// all: no batch needs more than it took.
void measure_layers(const devices_by_name& devices, measured_constants& to) {
  for (const auto& [name, all] : devices) {
    for (const auto& [id, one] : all.batches) {
      if (one.start_us() >= one.on->ready_us) continue;
      const auto after_us = std::max<core::duration_us>(1, one.end_us - one.on->ready_us);
      const auto parts = static_cast<uint32_t>(std::min<core::duration_us>(one.run_us / after_us + 1, most_layers));
      to.layers = std::max({to.layers, 2u, parts});
    }
  }
}

// One load time stands for all loads; of a longer one, a batch may have used more parts ahead than that admits. What
// it computed then is not claimed.
uint64_t cut_what_cannot_be_told(devices_by_name& devices, const measured_constants& c) {
  const auto ahead_us = c.switch_us - (c.switch_us + c.layers - 1) / c.layers;
  uint64_t cut = 0;
  for (auto& [name, all] : devices) {
    for (auto& [id, one] : all.batches) {
      const auto most_us = one.end_us - (one.on->ready_us - ahead_us);
      if (one.run_us <= most_us) continue;
      one.run_us = most_us;
      ++cut;
    }
  }
  return cut;
}

sim::schedule rows_of(const devices_by_name& devices, core::time_us start_us) {
  using kind = sim::schedule_row::kind;
  sim::schedule log;
  uint32_t at = 0;
  for (const auto& [name, all] : devices) {
    for (const auto& one : all.loads) {
      log.rows.push_back({kind::load, 0, at, one.model, one.began_us - start_us, one.ready_us - start_us});
      if (one.left_us == never_us) continue;
      log.rows.push_back({kind::evict, 0, at, one.model, one.left_us - start_us, one.left_us - start_us});
    }
    for (const auto& [id, one] : all.batches) {
      log.rows.push_back({kind::batch, at, at, one.model, one.start_us() - start_us, one.end_us - start_us,
                          static_cast<uint32_t>(log.requests.size()), static_cast<uint32_t>(one.requests.size())});
      log.requests.insert(log.requests.end(), one.requests.begin(), one.requests.end());
    }
    ++at;
  }
  std::stable_sort(log.rows.begin(), log.rows.end(),
                   [](const auto& a, const auto& b) { return a.start_us < b.start_us; });
  return log;
}

double ms(core::duration_us us) {
  return static_cast<double>(us) / 1000;
}

} // namespace

core::result<ran_schedule> draw_up(const std::vector<ran_request>& requests, std::vector<ran_load> loads,
                                   core::time_us start_us) {
  ran_schedule made;
  made.some_left = std::any_of(loads.begin(), loads.end(), [](const ran_load& one) { return one.left_us != 0; });
  auto devices = sorted_by_device(requests, std::move(loads));
  for (auto& [name, all] : devices) {
    if (!all.batches.empty()) shift(all, clock_offset_us(name, requests));
    std::erase_if(all.loads, [start_us](const ran_load& one) { return one.left_us <= start_us; });
    if (const auto found = find_loads(name, all); !found) return core::fail(found.error());
    end_loads_where_they_were_used(all);
  }
  auto& c = made.constants;
  measure_loads(devices, c);
  measure_layers(devices, c);
  made.cut_batches = cut_what_cannot_be_told(devices, c);
  measure_batches(devices, c);
  made.log = rows_of(devices, start_us);
  return made;
}

std::string check_options(const measured_constants& c) {
  return fmt::format("--exec-base-ms {} --exec-ms {} --switch-ms {} --max-batch {} --resident {} --copy-engines {} "
                     "--layers {}",
                     ms(c.exec_base_us), ms(c.exec_us), ms(c.switch_us), c.max_batch, c.resident, c.copy_engines,
                     c.layers);
}

} // namespace fastptm::cli
