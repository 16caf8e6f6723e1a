// Which file decides what; their contents are parsed elsewhere.
#include "weights/import/model_card.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "weights/import/json_file.hpp"
#include "weights/import/pooling_config.hpp"
#include "weights/import/prompts.hpp"
#include "weights/import/sentence_config.hpp"

namespace fastptm::weights {

namespace {

namespace fs = std::filesystem;
using core::errc;
using core::fail;

constexpr const char* usual_pooling = "1_Pooling";

class card_reader {
public:
  card_reader(const fs::path& folder, const module_list& modules, const models::model_facts& facts,
              models::task_kind kind)
      : folder_(folder), modules_(modules), facts_(facts), kind_(kind) {}

  core::result<model_card> read() {
    if (modules_.is_there) card_.files.emplace_back(modules_file);
    card_.normalize = modules_.normalize;
    auto ok = read_all_prompts().and_then([&] { return read_pooling(); }).and_then([&] { return read_length(); });
    if (!ok) return fail(ok.error());
    return std::move(card_);
  }

private:
  core::result<std::optional<core::json_value>> read_json(const std::string& name) {
    auto value = read_json_file(folder_, name);
    if (value && *value) card_.files.push_back(name);
    return value;
  }

  // Of the encoder: they lie where the Transformer module does.
  std::string in_transformer(std::string_view name) const {
    return modules_.transformer_folder.empty() ? std::string(name)
                                               : fmt::format("{}/{}", modules_.transformer_folder, name);
  }

  core::result<void> read_all_prompts() {
    const auto config = read_json(std::string(prompts_file));
    if (!config) return fail(config.error());
    return *config ? read_prompts(**config, card_.how) : core::result<void>();
  }

  core::result<std::optional<pooling_config>> pooling_in(const std::string& module) {
    const std::string name = module + "/config.json";
    const auto config = read_json(name);
    if (!config) return fail(config.error());
    if (!*config) return std::nullopt;
    auto parsed = parse_pooling_config(name, **config, facts_);
    if (!parsed) return fail(parsed.error());
    return *parsed;
  }

  core::result<void> read_pooling() {
    const bool has_module = modules_.pooling_folder.has_value();
    const auto decides = pooling_in(modules_.pooling_folder.value_or(usual_pooling));
    if (!decides) return fail(decides.error());
    if (has_module && !*decides)
      return fail(errc::invalid, fmt::format("{}/config.json: missing, but modules.json names it as the pooling module",
                                             *modules_.pooling_folder));
    if (*decides && (has_module || !modules_.is_there)) {
      if (auto ok = use(**decides); !ok) return ok;
    }
    if (!has_module || *modules_.pooling_folder == usual_pooling) return {};
    const auto unused = pooling_in(usual_pooling);
    return unused ? core::result<void>() : fail(unused.error());
  }

  core::result<void> use(const pooling_config& found) {
    card_.pool = found.pool;
    const bool has_prompts = std::ranges::any_of(card_.how.prompts, [](const prompt& p) { return !p.text.empty(); });
    if (found.pools_prompt || !has_prompts) return {};
    // Which token is "the first" then is another one in every second version of the library.
    if (found.pool == models::pooling::cls)
      return fail(errc::invalid, "include_prompt is false for a cls pooling: only mean, max and mean_sqrt_len_tokens "
                                 "can leave the prompt's tokens out");
    card_.how.pools_prompt = false;
    return {};
  }

  core::result<void> read_length() {
    std::optional<uint32_t> length;
    const auto sentence = read_json(in_transformer(sentence_config_file));
    if (!sentence) return fail(sentence.error());
    if (*sentence) {
      const auto parsed = parse_sentence_config(**sentence, kind_);
      if (!parsed) return fail(parsed.error());
      length = parsed->longest;
    }
    const std::string name = in_transformer("tokenizer_config.json");
    const auto tokenizer = read_json_file(folder_, name);
    if (!tokenizer) return fail(tokenizer.error());
    if (!length && *tokenizer) {
      const auto longest = length_in(**tokenizer, name, "model_max_length");
      if (!longest) return fail(longest.error());
      length = *longest;
    }
    card_.max_tokens = std::min(length.value_or(facts_.positions), facts_.positions);
    return {};
  }

  const fs::path& folder_;
  const module_list& modules_;
  const models::model_facts& facts_;
  const models::task_kind kind_;
  model_card card_;
};

} // namespace

core::result<model_card> read_model_card(const fs::path& folder, const module_list& modules,
                                         const models::model_facts& facts, models::task_kind kind) {
  return card_reader(folder, modules, facts, kind).read();
}

} // namespace fastptm::weights
