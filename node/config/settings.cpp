// Names and their units.
#include "node/config/settings.hpp"

#include <string>

#include "core/check.hpp"

namespace fastptm::node {

namespace {

struct unit {
  std::string_view ours, theirs;
  uint64_t scale;
};
constexpr unit units[] = {{"", "", 1}, {"_us", "_ms", 1000}, {"_bytes", "_kib", 1 << 10}, {"_bytes", "_mib", 1 << 20}};

} // namespace

setting find_setting(capnp::StructSchema in, std::string_view name) {
  for (const auto& each : units) {
    if (!name.ends_with(each.ours)) continue;
    const auto stem = std::string(name.substr(0, name.size() - each.ours.size()));
    KJ_IF_MAYBE (field, in.findFieldByName(schema::camel_case(stem + std::string(each.theirs)).c_str())) {
      return {*field, each.scale};
    }
  }
  core::check(false, "every field of the configuration's structs is in schemas/config.capnp");
  return {};
}

std::string text_of(const capnp::DynamicValue::Reader& value) {
  if (value.getType() != capnp::DynamicValue::ENUM) {
    const auto text = value.as<capnp::Text>();
    return {text.begin(), text.size()};
  }
  KJ_IF_MAYBE (known, value.as<capnp::DynamicEnum>().getEnumerant()) {
    return schema::snake_case(known->getProto().getName().cStr());
  }
  return {};
}

} // namespace fastptm::node
