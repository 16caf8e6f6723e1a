// See json_file.hpp.
#include "weights/import/json_file.hpp"

#include "weights/import/regular_file.hpp"

namespace fastptm::weights {

core::result<std::optional<core::json_value>> read_json_file(const std::filesystem::path& folder,
                                                             const std::string& name) {
  if (!name_exists(folder / name)) return std::nullopt;
  const auto text = read_small_file(folder / name, name, max_json_file_bytes);
  if (!text) return core::fail(text.error());
  auto value = core::parse_json(*text, name, {.size_bytes = max_json_file_bytes});
  if (!value) return core::fail(value.error());
  return std::optional<core::json_value>(std::move(*value));
}

} // namespace fastptm::weights
