// Takes `--name=value` apart before CLI11 sees it, and switches off its lists.
#include "cli/arguments.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace fastptm::cli {

namespace {

void load_lists_off(CLI::App& app) {
  for (auto* option : app.get_options()) option->allow_extra_args(false);
  for (auto* below : app.get_subcommands(nullptr)) load_lists_off(*below);
}

const CLI::App* subcommand_named(const CLI::App& app, std::string_view name) {
  const auto all = app.get_subcommands(nullptr);
  const auto at =
      std::find_if(all.begin(), all.end(), [&](const auto* each) { return each->check_name(std::string(name)); });
  return at == all.end() ? nullptr : *at;
}

bool takes_value(const CLI::App& app, std::string_view name) {
  const auto* option = name.starts_with("-") ? app.get_option_no_throw(std::string(name)) : nullptr;
  return option != nullptr && option->get_items_expected_min() > 0;
}

// CLI11 takes the next argument for a value that is empty, and the value itself whatever it looks like when it is an
// argument of its own.
std::vector<std::string> taken_apart(const CLI::App& app, int count, const char* const* arguments) {
  std::vector<std::string> out;
  const auto* here = &app;
  bool is_value = false;
  for (int i = 1; i < count; ++i) {
    const std::string_view text = arguments[i];
    const auto equals = text.starts_with("--") ? text.find('=') : std::string_view::npos;
    const auto name = text.substr(0, equals);
    if (is_value || !takes_value(*here, name)) {
      const auto* below = is_value ? nullptr : subcommand_named(*here, text);
      if (below != nullptr) here = below;
      out.emplace_back(text);
      is_value = false;
      continue;
    }
    out.emplace_back(name);
    is_value = equals == std::string_view::npos;
    if (!is_value) out.emplace_back(text.substr(equals + 1));
  }
  return out;
}

} // namespace

void parse_arguments(CLI::App& app, int count, const char* const* arguments) {
  load_lists_off(app);
  auto texts = taken_apart(app, count, arguments);
  std::reverse(texts.begin(), texts.end()); // the order in which CLI11 takes them
  app.parse(std::move(texts));
}

} // namespace fastptm::cli
