// Both forms: a flag per mode (sentence-transformers up to 5), one word (since 6).
#include "weights/import/pooling_config.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>

#include "core/log.hpp"

namespace fastptm::weights {

namespace {

using core::printable;

struct mode_name {
  std::string_view flag;
  std::string_view word;
  std::optional<models::pooling> means;
};

constexpr std::array<mode_name, 6> mode_names = {{
    {"pooling_mode_mean_tokens", "mean", models::pooling::mean},
    {"pooling_mode_cls_token", "cls", models::pooling::cls},
    {"pooling_mode_max_tokens", "max", models::pooling::max},
    {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", models::pooling::mean_sqrt_len},
    {"pooling_mode_weightedmean_tokens", "weightedmean", std::nullopt},
    {"pooling_mode_lasttoken", "lasttoken", std::nullopt},
}};

// Reads one file; what it fails with begins with the file's name.
class pooling_reader {
public:
  pooling_reader(const std::string& name, const core::json_value& config) : name_(name), config_(config) {}

  core::result<pooling_config> read(const models::model_facts& facts) const {
    if (!config_.object()) return refuse("{}, expected an object", config_.kind());
    pooling_config found;
    if (auto ok = check_fields(facts); !ok) return core::fail(ok.error());
    const core::json_value* word = config_.find("pooling_mode");
    const auto pool = word ? by_word(*word) : by_flags();
    if (!pool) return core::fail(pool.error());
    found.pool = *pool;
    if (const core::json_value* included = config_.find("include_prompt"); included && !included->is_null()) {
      if (!included->boolean()) return refuse("include_prompt is {}: expected true or false", included->kind());
      found.pools_prompt = *included->boolean();
    }
    return found;
  }

private:
  template <class... Args>
  tl::unexpected<core::error> refuse(fmt::format_string<Args...> format, Args&&... args) const {
    return core::fail(core::errc::invalid,
                      fmt::format("{}: {}", name_, fmt::format(format, std::forward<Args>(args)...)));
  }

  core::result<void> check_fields(const models::model_facts& facts) const {
    for (const auto& [field, value] : *config_.object()) {
      const bool is_width = field == "word_embedding_dimension" || field == "embedding_dimension";
      if (is_width && value.unsigned_integer() != facts.features)
        return refuse("{} is not the model's hidden_size {}", field, facts.features);
      if (is_width || field == "pooling_mode" || field == "include_prompt") continue;
      if (std::ranges::find(mode_names, std::string_view(field), &mode_name::flag) == mode_names.end())
        return refuse("the field '{}' is not known", printable(field, 60));
    }
    return {};
  }

  core::result<models::pooling> supported(const mode_name& mode) const {
    if (mode.means) return *mode.means;
    return refuse("{} is not supported: mean, cls, max and mean_sqrt_len are", mode.flag);
  }

  core::result<models::pooling> by_word(const core::json_value& value) const {
    // A list of one is written where a list of several was meant to be possible.
    const core::json_array* list = value.array();
    if (list && list->size() > 1)
      return refuse("pooling_mode lists {} modes: joined poolings are not supported", list->size());
    const core::json_value& one = list && list->size() == 1 ? list->front() : value;
    if (one.string())
      for (const auto& mode : mode_names)
        if (mode.word == *one.string()) return supported(mode);
    return refuse("pooling_mode is {}: expected mean, cls, max or mean_sqrt_len_tokens",
                  one.string() ? printable(*one.string(), 60) : one.kind());
  }

  core::result<models::pooling> by_flags() const {
    const mode_name* chosen = nullptr;
    bool says_anything = false;
    for (const auto& mode : mode_names) {
      const core::json_value* flag = config_.find(mode.flag);
      if (!flag) continue;
      says_anything = true;
      if (!flag->boolean()) return refuse("{} is {}: expected true or false", mode.flag, flag->kind());
      if (!*flag->boolean()) continue;
      if (chosen) return refuse("both {} and {}: joined poolings are not supported", chosen->flag, mode.flag);
      chosen = &mode;
    }
    if (chosen) return supported(*chosen);
    if (says_anything) return refuse("no pooling mode is true");
    return models::pooling::mean; // the library's default
  }

  const std::string& name_;
  const core::json_value& config_;
};

} // namespace

core::result<pooling_config> parse_pooling_config(const std::string& name, const core::json_value& config,
                                                  const models::model_facts& facts) {
  return pooling_reader(name, config).read(facts);
}

} // namespace fastptm::weights
