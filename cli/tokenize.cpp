// `fastptm tokenize`: a model folder's tokenizer on a list of strings, without a cluster.
#include <limits>

#include "cli/commands.hpp"
#include "cli/inputs.hpp"
#include "cli/output.hpp"
#include "cli/special_tokens.hpp"
#include "core/json_writer.hpp"
#include "engine/tokenizer.hpp"

namespace fastptm::cli {

namespace {

struct options {
  std::string folder;
  std::string file;
  size_t max_tokens = 1 << 20; // beyond any model: nothing is cut
  engine::special_tokens special = engine::special_tokens::library;
};

std::string list_of(const std::vector<int32_t>& numbers) {
  core::json_list list;
  for (const auto number : numbers) list.add(std::to_string(number));
  return list.str();
}

core::result<engine::encoding> encode(const engine::tokenizer& with, const one_or_two_texts& texts, size_t max_tokens) {
  if (texts.second) return with.encode_pair(texts.first, *texts.second, max_tokens);
  return with.encode(texts.first, max_tokens);
}

void print(const engine::encoding& read, uint64_t tokens) {
  core::json_writer line;
  line.raw("ids", list_of(read.ids));
  if (!read.token_types.empty()) line.raw("token_types", list_of(read.token_types));
  if (read.truncated) line.number("tokens", tokens).flag("truncated", true);
  print_line(line.str());
}

int run(const options& chosen) {
  const auto with = engine::load_tokenizer(chosen.folder, std::nullopt, chosen.special);
  if (!with) return failed(with.error());
  const auto strings = read_strings(chosen.file);
  if (!strings) return failed(strings.error());
  for (const auto& texts : *strings) {
    const auto whole = encode(**with, texts, std::numeric_limits<size_t>::max());
    if (!whole) return failed(whole.error());
    print(*encode(**with, texts, chosen.max_tokens), whole->ids.size());
  }
  return 0;
}

} // namespace

void add_tokenize(CLI::App& app, invocation& chosen) {
  auto* command = app.add_subcommand("tokenize", "Token ids of strings, by a model folder's tokenizer");
  auto given = std::make_shared<options>();
  command->add_option("MODELDIR", given->folder, "Folder with tokenizer.json or vocab.txt")->required();
  command->add_option("--strings", given->file, "A JSON list of strings, or of pairs of strings")->required();
  command->add_option("--max-tokens", given->max_tokens, "Cut to so many, special tokens included")
      ->check(CLI::Range(1, 1 << 20));
  add_special_tokens_option(*command, given->special);
  command->add_flag("--json")->description("One JSON object a line, as without it"); // as everywhere, for scripts
  command->footer("Example:\n  fastptm tokenize ./all-MiniLM-L6-v2 --strings texts.json");
  command->callback([given, &chosen] { chosen = [given] { return run(*given); }; });
}

} // namespace fastptm::cli
