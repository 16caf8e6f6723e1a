// `fastptm tokenize`: a model folder's tokenizer on a list of strings, without a cluster.
#include "engine/tokenizer.hpp"
#include "node/commands/commands.hpp"
#include "node/commands/inputs.hpp"
#include "node/commands/json.hpp"
#include "node/commands/output.hpp"

namespace fastptm::node::commands {

namespace {

constexpr size_t no_limit = 1 << 20;

int run(const std::string& folder, const std::string& file) {
  const auto with = engine::load_tokenizer(folder, nullptr);
  if (!with) return failed(with.error());
  const auto strings = read_strings(file);
  if (!strings) return failed(strings.error());
  for (const auto& text : *strings) {
    json_array ids;
    for (const auto id : (*with)->encode(text, no_limit).ids) ids.add(std::to_string(id));
    print_line(json_object().raw("ids", ids.str()).str());
  }
  return 0;
}

} // namespace

void add_tokenize(CLI::App& app, invocation& chosen) {
  auto* command = app.add_subcommand("tokenize", "Token ids of strings, by a model folder's tokenizer");
  auto folder = std::make_shared<std::string>();
  auto file = std::make_shared<std::string>();
  command->add_option("MODELDIR", *folder, "Folder with tokenizer.json or vocab.txt")->required();
  command->add_option("--strings", *file, "A JSON list of strings")->required();
  auto json = std::make_shared<bool>(true);
  command->add_flag("--json", *json, "One JSON object a line, as without it");
  command->footer("Example:\n  fastptm tokenize ./all-MiniLM-L6-v2 --strings texts.json");
  command->callback([folder, file, json, &chosen] { chosen = [folder, file] { return run(*folder, *file); }; });
}

} // namespace fastptm::node::commands
