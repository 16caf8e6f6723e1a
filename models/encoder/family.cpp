// An encoder's answers from its canonical text.
#include "models/encoder/family.hpp"

#include "core/check.hpp"
#include "models/canonical.hpp"
#include "models/encoder/layout.hpp"
#include "models/encoder/skeleton.hpp"

namespace fastptm::models::encoder {

namespace {

config config_of(const models::architecture& arch) {
  auto read = from_canonical<config>(arch.configuration);
  core::check(read.has_value(), "an architecture that was described before");
  return *read;
}

} // namespace

core::result<models::model_facts> family::describe(const models::architecture& arch) const {
  const auto read = from_canonical<config>(arch.configuration);
  if (!read) return core::fail(read.error());
  if (auto ok = validate(*read); !ok) return core::fail(ok.error());
  return facts_of(name(), *read);
}

std::vector<models::shard_layout> family::layout_of(const models::architecture& arch, const models::task& job) const {
  return encoder::layout_of(config_of(arch), job);
}

std::unique_ptr<models::skeleton> family::make_skeleton(const models::architecture& arch) const {
  return std::make_unique<encoder::skeleton>(arch, config_of(arch));
}

} // namespace fastptm::models::encoder
