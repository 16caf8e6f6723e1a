// File formats: sentence-transformers' `modules.json`, `Pooling` and `Transformer` modules, as its versions 2 to 5
// write them.
#include "weights/model_card.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>

#include "core/log.hpp"
#include "weights/json.hpp"
#include "weights/regular_file.hpp"

namespace fastptm::weights {
namespace {

namespace fs = std::filesystem;
using core::errc;
using core::fail;
using core::printable;

// These files are a few hundred bytes; the bound is generous.
constexpr size_t max_file_bytes = 1 << 20;
constexpr size_t max_modules = 16;

// The parsed file, nothing if there is none.
core::result<std::optional<json_value>> read_json(const fs::path& folder, const std::string& name, model_card& card) {
  auto text = read_small_file(folder / name, name, max_file_bytes);
  if (!text && text.error().code == errc::not_found) return std::nullopt;
  if (!text) return fail(text.error());
  auto value = parse_json(*text, name, {.size_bytes = max_file_bytes});
  if (!value) return fail(value.error());
  if (std::find(card.files.begin(), card.files.end(), name) == card.files.end()) card.files.push_back(name);
  return std::optional<json_value>(std::move(*value));
}

// ---- the pooling module's config.json
// ---------------------------------------------------------------------------------

struct mode_name {
  std::string_view flag; // one boolean per mode, in every version
  std::string_view word; // one word for all, in the newest
  std::optional<pooling> means;
};

constexpr std::array<mode_name, 6> mode_names = {{
    {"pooling_mode_mean_tokens", "mean", pooling::mean},
    {"pooling_mode_cls_token", "cls", pooling::cls},
    {"pooling_mode_max_tokens", "max", pooling::max},
    {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", pooling::mean_sqrt_len},
    {"pooling_mode_weightedmean_tokens", "weightedmean", std::nullopt},
    {"pooling_mode_lasttoken", "lasttoken", std::nullopt},
}};

core::result<pooling> supported(const std::string& name, const mode_name& mode) {
  if (mode.means) return *mode.means;
  return fail(errc::invalid,
              fmt::format("{}: {} is not supported: mean, cls, max and mean_sqrt_len are", name, mode.flag));
}

core::result<pooling> pooling_by_word(const std::string& name, const json_value& value) {
  const std::string* word = value.string();
  if (word)
    for (const auto& mode : mode_names)
      if (mode.word == *word) return supported(name, mode);
  return fail(errc::invalid, fmt::format("{}: pooling_mode is {}: expected mean, cls, max or mean_sqrt_len_tokens",
                                         name, word ? printable(*word, 60) : value.kind()));
}

core::result<pooling> pooling_by_flags(const std::string& name, const json_value& config) {
  const mode_name* chosen = nullptr;
  for (const auto& mode : mode_names) {
    const json_value* flag = config.find(mode.flag);
    if (!flag) continue;
    if (!flag->boolean())
      return fail(errc::invalid, fmt::format("{}: {} is {}: expected true or false", name, mode.flag, flag->kind()));
    if (!*flag->boolean()) continue;
    if (chosen)
      return fail(errc::invalid,
                  fmt::format("{}: both {} and {}: joined poolings are not supported", name, chosen->flag, mode.flag));
    chosen = &mode;
  }
  if (!chosen) return fail(errc::invalid, fmt::format("{}: no pooling mode is true", name));
  return supported(name, *chosen);
}

core::result<pooling> pooling_of(const std::string& name, const json_value& config, const architecture& arch) {
  if (!config.object()) return fail(errc::invalid, fmt::format("{}: {}, expected an object", name, config.kind()));
  if (const json_value* width = config.find("word_embedding_dimension");
      width && width->unsigned_integer() != arch.hidden)
    return fail(errc::invalid,
                fmt::format("{}: word_embedding_dimension is not the model's hidden_size {}", name, arch.hidden));
  if (const json_value* word = config.find("pooling_mode")) return pooling_by_word(name, *word);
  return pooling_by_flags(name, config);
}

// ---- modules.json
// -------------------------------------------------------------------------------------------------------

struct module_list {
  bool normalize = false;
  std::optional<std::string> pooling_folder;
};

// A name of a folder inside the model's folder, nothing that leads elsewhere.
bool is_plain_name(std::string_view name) {
  return !name.empty() && name.size() <= 100 && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), [](char c) { return c > 0x20 && c < 0x7F && c != '/' && c != '\\'; });
}

// Adds one module; they come in the order transformer, pooling, normalisation.
core::result<void> add_module(const json_value& entry, size_t position, module_list& found) {
  const json_value* type = entry.find("type");
  const json_value* path = entry.find("path");
  if (!type || !type->string() || !path || !path->string())
    return fail(errc::invalid, fmt::format("modules.json: module {} needs the strings `type` and `path`", position));
  const std::string& kind = *type->string();
  const std::string& where = *path->string();
  const std::string_view last = std::string_view(kind).substr(kind.rfind('.') + 1);
  const bool known_library = kind.starts_with("sentence_transformers.");

  if (!where.empty() && !is_plain_name(where))
    return fail(errc::invalid,
                fmt::format("modules.json: path '{}' is not the name of a folder of the model", printable(where, 100)));
  if (position == 0) {
    if (!known_library || last != "Transformer" || !where.empty())
      return fail(errc::invalid,
                  fmt::format("modules.json: the first module is '{}' in '{}': expected a Transformer in ''",
                              printable(kind, 100), printable(where, 100)));
  } else if (known_library && last == "Pooling" && !found.pooling_folder && !found.normalize && !where.empty()) {
    found.pooling_folder = where;
  } else if (known_library && last == "Normalize" && found.pooling_folder && !found.normalize) {
    found.normalize = true;
  } else {
    return fail(errc::invalid,
                fmt::format("modules.json: module {} of type '{}' is not supported there: expected Transformer, "
                            "Pooling, Normalize in this order",
                            position, printable(kind, 100)));
  }
  return {};
}

core::result<module_list> modules_of(const json_value& value) {
  const json_array* entries = value.array();
  if (!entries || entries->empty() || entries->size() > max_modules)
    return fail(errc::invalid, fmt::format("modules.json: expected a list of 1 to {} modules", max_modules));
  module_list found;
  for (size_t i = 0; i < entries->size(); ++i)
    if (auto added = add_module((*entries)[i], i, found); !added) return fail(added.error());
  return found;
}

core::result<void> read_pooling(const fs::path& folder, const architecture& arch, model_card& card) {
  static const std::string usual = "1_Pooling";
  auto modules = read_json(folder, "modules.json", card);
  if (!modules) return fail(modules.error());
  module_list list{.normalize = false, .pooling_folder = usual};
  if (*modules) {
    auto found = modules_of(**modules);
    if (!found) return fail(found.error());
    list = std::move(*found);
  }
  card.normalize = list.normalize;

  const std::string name = list.pooling_folder.value_or(usual) + "/config.json";
  auto config = read_json(folder, name, card);
  if (!config) return fail(config.error());
  if (!*config) {
    if (!*modules || !list.pooling_folder) return {};
    return fail(errc::invalid, fmt::format("{}: missing, but modules.json names it as the pooling module", name));
  }
  auto pool = pooling_of(name, **config, arch);
  if (!pool) return fail(pool.error());
  if (list.pooling_folder) card.pool = *pool;
  if (list.pooling_folder.value_or(usual) == usual) return {};

  auto unused = read_json(folder, usual + "/config.json", card);
  if (!unused) return fail(unused.error());
  if (*unused)
    if (auto valid = pooling_of(usual + "/config.json", **unused, arch); !valid) return fail(valid.error());
  return {};
}

// ---- the longest input
// --------------------------------------------------------------------------------------------------

// What one file says: a positive number, or nothing. "No limit" is written as 1e30 by some versions.
core::result<std::optional<uint32_t>> length_in(const fs::path& folder, const std::string& name, std::string_view key,
                                                model_card& card) {
  auto config = read_json(folder, name, card);
  if (!config) return fail(config.error());
  if (!*config) return std::nullopt;
  if (!(*config)->object())
    return fail(errc::invalid, fmt::format("{}: {}, expected an object", name, (*config)->kind()));
  const json_value* value = (*config)->find(key);
  if (!value || value->is_null()) return std::nullopt;
  const auto number = value->number();
  if (!number || !(*number >= 1)) return fail(errc::invalid, fmt::format("{}: {} is not a positive number", name, key));
  return static_cast<uint32_t>(std::min(*number, static_cast<double>(max_positions)));
}

core::result<void> read_length(const fs::path& folder, const architecture& arch, model_card& card) {
  auto length = length_in(folder, "sentence_bert_config.json", "max_seq_length", card);
  if (!length) return fail(length.error());
  if (!*length) length = length_in(folder, "tokenizer_config.json", "model_max_length", card);
  if (!length) return fail(length.error());
  card.max_tokens = std::min(length->value_or(arch.positions), arch.positions);
  return {};
}

} // namespace

core::result<model_card> read_model_card(const fs::path& folder, const architecture& arch) {
  model_card card;
  if (auto read = read_pooling(folder, arch, card); !read) return fail(read.error());
  if (auto read = read_length(folder, arch, card); !read) return fail(read.error());
  return card;
}

} // namespace fastptm::weights
