// Reads annotations, compares, and words what is wrong.
#include "node/config/bounds.hpp"

#include <algorithm>
#include <optional>

#include <capnp/any.h>
#include <fmt/format.h>

#include "schemas/config.capnp.h"

namespace fastptm::node {

namespace {

constexpr uint64_t bound_annotation = 0xc25d2d09dbd125b4; // the id of `bound` in schemas/config.capnp

std::optional<schema::Bound::Reader> bound_of(capnp::StructSchema::Field field) {
  for (const auto annotation : field.getProto().getAnnotations())
    if (annotation.getId() == bound_annotation) return annotation.getValue().getStruct().getAs<schema::Bound>();
  return std::nullopt;
}

std::string range(uint64_t least, uint64_t most) {
  if (most == UINT64_MAX) return fmt::format("{} or more", least);
  return least == 0 ? fmt::format("{} or less", most) : fmt::format("{} to {}", least, most);
}

} // namespace

std::vector<std::string> out_of_bounds(capnp::DynamicStruct::Reader of) {
  std::vector<std::string> out;
  for (const auto field : of.getSchema().getFields()) {
    const auto bound = bound_of(field);
    if (!bound) continue;
    const auto value = of.get(field).as<uint64_t>();
    auto least = bound->getAtLeast();
    if (bound->hasField()) least = std::max(least, bound->getTimes() * of.get(bound->getField()).as<uint64_t>());
    if (value >= least && value <= bound->getAtMost()) continue;
    out.push_back(fmt::format("{} is {}, use {}: {}", field.getProto().getName().cStr(), value,
                              range(least, bound->getAtMost()), bound->getBecause().cStr()));
  }
  return out;
}

} // namespace fastptm::node
