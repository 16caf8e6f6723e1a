// One file, or an index and its files.
#include "weights/import/checkpoint.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "core/json.hpp"
#include "core/log.hpp"
#include "weights/import/folder_advice.hpp"

namespace fastptm::weights {

namespace {

constexpr std::string_view single_name = "model.safetensors";
constexpr std::string_view index_name = "model.safetensors.index.json";
constexpr size_t max_files = 1024;
constexpr size_t max_file_name_bytes = 255;

using weight_map = std::map<std::string, std::string, std::less<>>; // tensor -> file

tl::unexpected<core::error> fail_index(std::string_view why) {
  return core::fail(core::errc::invalid, fmt::format("{}: {}", index_name, why));
}

// A name inside the folder: nothing that leads elsewhere, no hidden file, nothing a terminal would interpret.
bool is_plain_file_name(std::string_view name) {
  return !name.empty() && name.size() <= max_file_name_bytes && name.front() != '.' &&
         std::ranges::all_of(name, [](char c) { return c > 0x20 && c < 0x7f && c != '/' && c != '\\'; });
}

core::result<weight_map> parse_index(std::string_view text) {
  const auto index = core::parse_json(text, index_name);
  if (!index) return core::fail(index.error());
  const auto* entries = index->find("weight_map");
  if (!entries || !entries->object()) return fail_index("weight_map is missing or no object");
  if (entries->object()->size() > max_safetensors_tensors) {
    return fail_index(fmt::format("weight_map names too many tensors: the limit is {}", max_safetensors_tensors));
  }
  weight_map map;
  for (const auto& [tensor, file] : *entries->object()) {
    if (!file.string() || !is_plain_file_name(*file.string())) {
      return fail_index(fmt::format(
          "weight_map: the file of '{}' is {}, expected a plain file name without a path", core::printable(tensor, 120),
          file.string() ? "'" + core::printable(*file.string(), 120) + "'" : std::string(file.kind())));
    }
    map.emplace(tensor, *file.string());
  }
  return map;
}

core::result<void> add_file(const std::filesystem::path& folder, const std::string& name, checkpoint& found) {
  auto file = regular_file::open(folder / name, name);
  if (!file) return core::fail(file.error());
  auto tensors = read_safetensors_header(*file);
  if (!tensors) return core::fail(tensors.error());
  found.uploads.push_back({name, file->size_bytes()});
  found.files.push_back(std::move(*file));
  for (auto& tensor : *tensors) {
    std::string key = tensor.name;
    const auto [at, is_new] =
        found.tensors.try_emplace(std::move(key), checkpoint_tensor{std::move(tensor), found.files.size() - 1});
    if (is_new) continue;
    return core::fail(core::errc::invalid,
                      fmt::format("tensor '{}' is in two files: {} and {}", core::printable(at->first, 120),
                                  found.files[at->second.file].what(), found.files.back().what()));
  }
  return {};
}

// What the index says must be what the files hold.
core::result<void> compare(const weight_map& map, const checkpoint& found) {
  for (const auto& [tensor, file] : map) {
    const auto at = found.tensors.find(tensor);
    if (at == found.tensors.end() || found.uploads[at->second.file].path != file) {
      return fail_index(
          fmt::format("tensor '{}' is not in {}, where weight_map has it", core::printable(tensor, 120), file));
    }
  }
  for (const auto& [tensor, where] : found.tensors) {
    if (!map.contains(tensor)) {
      return fail_index(fmt::format("tensor '{}' of {} is not in weight_map", core::printable(tensor, 120),
                                    found.uploads[where.file].path));
    }
  }
  return {};
}

core::result<checkpoint> open_sharded(const std::filesystem::path& folder) {
  const auto text = read_small_file(folder / index_name, index_name, max_safetensors_header_bytes);
  if (!text) return core::fail(text.error());
  const auto map = parse_index(*text);
  if (!map) return core::fail(map.error());
  std::set<std::string> names;
  for (const auto& [tensor, file] : *map) names.insert(file);
  if (names.empty()) return fail_index("weight_map is empty");
  if (names.size() > max_files)
    return fail_index(fmt::format("{} files, more than the limit of {}", names.size(), max_files));
  checkpoint found;
  for (const auto& name : names) {
    auto ok = add_file(folder, name, found);
    if (!ok && ok.error().code == core::errc::not_found)
      return core::fail(core::errc::not_found,
                        fmt::format("{}; {} lists it: the download is not complete", ok.error().message, index_name));
    if (!ok) return core::fail(ok.error());
  }
  if (auto ok = compare(*map, found); !ok) return core::fail(ok.error());
  found.uploads.push_back({std::string(index_name), text->size()});
  return found;
}

} // namespace

core::result<checkpoint> open_checkpoint(const std::filesystem::path& folder) {
  if (!name_exists(folder / single_name)) {
    if (name_exists(folder / index_name)) return open_sharded(folder);
    return core::fail(missing_weights(folder));
  }
  checkpoint found;
  if (auto ok = add_file(folder, std::string(single_name), found); !ok) return core::fail(ok.error());
  return found;
}

} // namespace fastptm::weights
