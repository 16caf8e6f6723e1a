// model_type chooses the family; the family reads the rest.
#include "weights/import/model_config.hpp"

#include <fmt/format.h>

#include "core/json.hpp"
#include "models/config_json.hpp"
#include "models/registry.hpp"

namespace fastptm::weights {

namespace {

// The only family whose first checkpoints do not say what they are.
constexpr std::string_view family_of_2018 = "bert";

core::result<void> find_family(const core::json_value& config, model_config& model) {
  const auto* value = config.find("model_type");
  model.names_family = value != nullptr;
  if (!value) {
    model.family = models::find_family(family_of_2018);
    return {};
  }
  if (value->string()) model.family = models::find_family(*value->string());
  if (model.family != nullptr) return {};
  return models::fail_config(
      fmt::format("model_type is {}, and these are served: {}", models::quoted(*value), models::family_names()));
}

core::result<void> read_numbers(const core::json_value& config, model_config& model) {
  auto read = model.family->read(config);
  if (!read) return core::fail(read.error());
  model.arch = std::move(read->arch);
  model.kind = read->kind;
  model.defaults = std::move(read->defaults);
  auto facts = models::describe(model.arch);
  if (!facts) return models::fail_config(facts.error().message);
  model.facts = std::move(*facts);
  return {};
}

core::result<void> read_labels(const core::json_value& config, model_config& model) {
  if (model.kind != models::task_kind::classify) return {};
  auto labels = read_label_config(config);
  if (!labels) return core::fail(labels.error());
  model.labels = std::move(*labels);
  return {};
}

} // namespace

core::result<model_config> parse_model_config(std::string_view text) {
  const auto config = core::parse_json(text, "config.json", {.size_bytes = max_config_bytes});
  if (!config) return core::fail(config.error());
  if (!config->object()) return models::fail_config(fmt::format("{}, expected an object", config->kind()));
  model_config model;
  auto ok = find_family(*config, model).and_then([&] { return read_numbers(*config, model); }).and_then([&] {
    return read_labels(*config, model);
  });
  if (!ok) return core::fail(ok.error());
  return model;
}

} // namespace fastptm::weights
