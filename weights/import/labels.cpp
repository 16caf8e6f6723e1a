// Keys as transformers' PretrainedConfig writes them: id2label {"0": "negative", ...}, num_labels, problem_type.
#include "weights/import/labels.hpp"

#include <charconv>

#include <fmt/format.h>

#include "core/log.hpp"
#include "models/architecture.hpp"

namespace fastptm::weights {

namespace {

constexpr std::string_view any_of_type = "multi_label_classification";
constexpr std::string_view one_of_type = "single_label_classification";
constexpr std::string_view value_type = "regression";

tl::unexpected<core::error> fail(std::string_view why) {
  return core::fail(core::errc::invalid, fmt::format("config.json: {}", why));
}

const core::json_value* member(const core::json_value& config, std::string_view key) {
  const auto* value = config.find(key);
  return value && !value->is_null() ? value : nullptr;
}

// A name; some configurations have numbers there.
core::result<std::string> name_in(const core::json_value& value, std::string_view id) {
  if (const auto number = value.integer()) return std::to_string(*number);
  if (value.string() && !value.string()->empty() && value.string()->size() <= max_use_name_bytes)
    return *value.string();
  return fail(fmt::format("id2label: the name of label {} is {}, expected a text of 1 to {} bytes",
                          core::printable(id, 20), value.string() ? "too short or too long" : value.kind(),
                          max_use_name_bytes));
}

core::result<void> add_name(const std::string& id, const core::json_value& value, label_config& config) {
  uint32_t index = 0;
  const auto* end = id.data() + id.size();
  const auto [stop, trouble] = std::from_chars(id.data(), end, index);
  if (trouble != std::errc() || stop != end || index >= config.names.size() || !config.names[index].empty())
    return fail(fmt::format("id2label: '{}' is no id, expected each of 0 to {} once", core::printable(id, 40),
                            config.names.size() - 1));
  auto name = name_in(value, id);
  if (!name) return core::fail(name.error());
  config.names[index] = std::move(*name);
  return {};
}

core::result<void> read_names(const core::json_value& labels, label_config& config) {
  const auto* entries = labels.object();
  if (!entries || entries->empty() || entries->size() > models::max_labels)
    return fail(fmt::format("id2label must be an object of 1 to {} names", models::max_labels));
  config.names.resize(entries->size());
  config.count = static_cast<uint32_t>(entries->size());
  size_t total_bytes = 0;
  for (const auto& [id, value] : *entries) {
    if (auto added = add_name(id, value, config); !added) return added;
    total_bytes += value.string() ? value.string()->size() : 0;
  }
  if (total_bytes <= max_labels_bytes) return {};
  return fail(fmt::format("id2label: names of {} bytes, the limit is {}", total_bytes, max_labels_bytes));
}

core::result<void> read_count(const core::json_value& value, label_config& config) {
  const auto count = value.unsigned_integer();
  if (!count || *count == 0 || *count > models::max_labels)
    return fail(fmt::format("num_labels must be an integer from 1 to {}", models::max_labels));
  config.count = static_cast<uint32_t>(*count);
  return {};
}

core::result<void> read_problem_type(const core::json_value& value, label_config& config) {
  if (value.string())
    for (const auto known : {any_of_type, one_of_type, value_type})
      if (*value.string() == known) return config.problem_type = known, core::result<void>();
  return fail(fmt::format("problem_type is {}, expected {}, {} or {}",
                          value.string() ? core::printable(*value.string(), 60) : value.kind(), one_of_type,
                          any_of_type, value_type));
}

} // namespace

core::result<label_config> read_label_config(const core::json_value& config) {
  label_config read;
  if (const auto* labels = member(config, "id2label")) {
    if (auto ok = read_names(*labels, read); !ok) return core::fail(ok.error());
  } else if (const auto* count = member(config, "num_labels")) {
    if (auto ok = read_count(*count, read); !ok) return core::fail(ok.error());
  }
  if (const auto* type = member(config, "problem_type"))
    if (auto ok = read_problem_type(*type, read); !ok) return core::fail(ok.error());
  return read;
}

core::result<void> describe_labels(const label_config& config, uint32_t rows, usage& how) {
  if (config.count != 0 && config.count != rows)
    return fail(config.names.empty()
                    ? fmt::format("num_labels is {}, but classifier.weight has {} rows", config.count, rows)
                    : fmt::format("id2label has {} names, but classifier.weight has {} rows", config.count, rows));
  how.labels = config.names;
  for (uint32_t i = static_cast<uint32_t>(how.labels.size()); i < rows; ++i)
    how.labels.push_back(fmt::format("LABEL_{}", i));
  if (config.problem_type == any_of_type) how.scores = scoring::any_of;
  if (config.problem_type == value_type || (config.problem_type.empty() && rows == 1)) how.scores = scoring::value;
  return {};
}

} // namespace fastptm::weights
