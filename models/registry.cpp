// The table of families. A new one is a row here and a folder beside this file.
#include "models/registry.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "core/check.hpp"
#include "core/log.hpp"
#include "models/bert/family.hpp"
#include "models/distilbert/family.hpp"

namespace fastptm::models {

namespace {

const bert::family bert_family;
const distilbert::family distilbert_family;

constexpr std::array<const family*, 2> table{&bert_family, &distilbert_family};

const family& family_of(const models::architecture& arch) {
  const auto* found = find_family(arch.family);
  core::check(found != nullptr, "an architecture of a known family");
  return *found;
}

core::result<void> check_task(const models::model_facts& facts, const models::task& job) {
  const bool classifies = job.kind == core::task_kind::classify;
  if (classifies && !job.has_pooler) return core::fail(core::errc::invalid, "a classifier needs the pooler's tensors");
  if (classifies ? job.labels < 1 || job.labels > models::max_labels : job.labels != 0) {
    return core::fail(core::errc::invalid,
                      fmt::format("{} labels, expected {}", job.labels,
                                  classifies ? fmt::format("1 to {}", models::max_labels) : "none"));
  }
  if (job.max_tokens < 1 || job.max_tokens > facts.positions) {
    return core::fail(core::errc::invalid, fmt::format("longest input of {} tokens, expected 1 to {} (positions)",
                                                       job.max_tokens, facts.positions));
  }
  return {};
}

} // namespace

std::span<const family* const> families() {
  return table;
}

std::string family_names() {
  std::string names;
  for (const auto* each : table) names += fmt::format("{}{}", names.empty() ? "" : ", ", each->name());
  return names;
}

const family* find_family(std::string_view name) {
  const auto at = std::ranges::find(table, name, &family::name);
  return at == table.end() ? nullptr : *at;
}

core::result<models::model_facts> describe(const models::architecture& arch) {
  const auto* found = find_family(arch.family);
  if (found != nullptr) return found->describe(arch);
  return core::fail(core::errc::invalid, fmt::format("unknown family '{}': {} are served",
                                                     core::printable(arch.family, 60), family_names()));
}

core::result<models::model_facts> describe(const models::architecture& arch, const models::task& job) {
  auto facts = describe(arch);
  if (!facts) return facts;
  if (auto ok = check_task(*facts, job); !ok) return core::fail(ok.error());
  return facts;
}

std::vector<models::shard_layout> layout_of(const models::architecture& arch, const models::task& job) {
  return family_of(arch).layout_of(arch, job);
}

std::unique_ptr<skeleton> make_skeleton(const models::architecture& arch) {
  return family_of(arch).make_skeleton(arch);
}

} // namespace fastptm::models
