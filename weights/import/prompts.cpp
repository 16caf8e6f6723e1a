// Keys as sentence-transformers 2.4 to 6 writes them.
// They are: prompts {"query": "query: ", ...}, default_prompt_name, model_type.
#include "weights/import/prompts.hpp"

#include <fmt/format.h>

#include "core/log.hpp"

namespace fastptm::weights {

namespace {

template <class... Args> tl::unexpected<core::error> fail(fmt::format_string<Args...> format, Args&&... args) {
  return core::fail(core::errc::invalid,
                    fmt::format("{}: {}", prompts_file, fmt::format(format, std::forward<Args>(args)...)));
}

const core::json_value* member(const core::json_value& config, std::string_view key) {
  const auto* value = config.find(key);
  return value && !value->is_null() ? value : nullptr;
}

core::result<void> check_model_type(const core::json_value& config) {
  const auto* type = member(config, "model_type");
  if (!type || (type->string() && (*type->string() == "SentenceTransformer" || *type->string() == "CrossEncoder")))
    return {};
  return fail("model_type is {}, and only SentenceTransformer and CrossEncoder are served",
              type->string() ? core::printable(*type->string(), 60) : type->kind());
}

core::result<void> add_prompt(const std::string& name, const core::json_value& text, usage& how) {
  if (name.empty() || name.size() > max_use_name_bytes)
    return fail("prompts: a name of {} bytes, expected 1 to {}", name.size(), max_use_name_bytes);
  if (!text.is_null() && !text.string())
    return fail("prompts: '{}' is {}, expected a text", core::printable(name, 60), text.kind());
  how.prompts.push_back({name, text.string() ? *text.string() : std::string()}); // null: no text, as the library has it
  if (const size_t size = how.prompts.back().text.size(); size > max_prompt_bytes)
    return fail("prompts: '{}' has {} bytes, the limit is {}", core::printable(name, 60), size, max_prompt_bytes);
  return {};
}

core::result<void> read_list(const core::json_value& list, usage& how) {
  if (!list.object() || list.object()->size() > max_prompts)
    return fail("prompts must be an object of at most {} texts", max_prompts);
  for (const auto& [name, text] : *list.object())
    if (auto added = add_prompt(name, text, how); !added) return added;
  return {};
}

core::result<void> read_default(const core::json_value& name, usage& how) {
  if (!name.string()) return fail("default_prompt_name is {}, expected a name", name.kind());
  how.default_prompt = *name.string();
  if (const auto known = prompt_named(how, {}); !known) return fail("default_prompt_name: {}", known.error().message);
  return {};
}

} // namespace

core::result<void> read_prompts(const core::json_value& config, usage& how) {
  if (!config.object()) return fail("{}, expected an object", config.kind());
  if (auto ok = check_model_type(config); !ok) return ok;
  if (const auto* list = member(config, "prompts"))
    if (auto ok = read_list(*list, how); !ok) return ok;
  if (const auto* name = member(config, "default_prompt_name")) return read_default(*name, how);
  return {};
}

} // namespace fastptm::weights
