// File format: sentence-transformers' modules.json, as its versions 0.3 to 6 write it.
// Types are Python classes, whose last name stayed the same while the packages moved.
#include "weights/import/module_list.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/log.hpp"
#include "weights/import/json_file.hpp"

namespace fastptm::weights {

namespace {

using core::printable;

constexpr size_t max_modules = 16;

template <class... Args> tl::unexpected<core::error> refuse(fmt::format_string<Args...> format, Args&&... args) {
  return core::fail(core::errc::invalid,
                    fmt::format("{}: {}", modules_file, fmt::format(format, std::forward<Args>(args)...)));
}

// A name of a folder inside the model's folder, nothing that leads elsewhere.
bool is_plain_name(std::string_view name) {
  return !name.empty() && name.size() <= 100 && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), [](char c) { return c > 0x20 && c < 0x7F && c != '/' && c != '\\'; });
}

struct module_entry {
  std::string type, path;
};

core::result<module_entry> entry_of(const core::json_value& from, size_t position) {
  const core::json_value* type = from.find("type");
  const core::json_value* path = from.find("path");
  if (!type || !type->string() || !path || !path->string())
    return refuse("module {} needs the strings `type` and `path`", position);
  module_entry entry{*type->string(), *path->string()};
  if (!entry.path.empty() && !is_plain_name(entry.path))
    return refuse("path '{}' is not the name of a folder of the model", printable(entry.path, 100));
  return entry;
}

// The class's own name; empty for classes that are not the library's.
std::string_view kind_of(const module_entry& entry) {
  const std::string_view type = entry.type;
  return type.starts_with("sentence_transformers.") ? type.substr(type.rfind('.') + 1) : std::string_view();
}

// They come in the order transformer, pooling, normalisation.
core::result<void> add(module_entry entry, size_t position, module_list& list) {
  const auto kind = kind_of(entry);
  if (position == 0 && kind == "Transformer") {
    list.transformer_folder = std::move(entry.path);
  } else if (position > 0 && kind == "Pooling" && !list.pooling_folder && !list.normalize && !entry.path.empty()) {
    list.pooling_folder = std::move(entry.path);
  } else if (position > 0 && kind == "Normalize" && list.pooling_folder && !list.normalize) {
    list.normalize = true;
  } else {
    return refuse("module {} of type '{}' in '{}' is not supported there: expected Transformer, Pooling, Normalize in "
                  "this order",
                  position, printable(entry.type, 100), printable(entry.path, 100));
  }
  return {};
}

} // namespace

core::result<module_list> read_module_list(const std::filesystem::path& folder) {
  const auto file = read_json_file(folder, modules_file);
  if (!file) return core::fail(file.error());
  module_list list;
  if (!*file) return list;
  list.is_there = true;
  const core::json_array* entries = (*file)->array();
  if (!entries || entries->empty() || entries->size() > max_modules)
    return refuse("expected a list of 1 to {} modules", max_modules);
  for (size_t i = 0; i < entries->size(); ++i) {
    auto entry = entry_of((*entries)[i], i);
    if (!entry) return core::fail(entry.error());
    if (auto added = add(std::move(*entry), i, list); !added) return core::fail(added.error());
  }
  return list;
}

} // namespace fastptm::weights
