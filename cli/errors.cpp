// `fastptm errors`: what every code means and what to do about it.
#include <string>

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "core/error_table.hpp"
#include "core/json_writer.hpp"
#include "core/log.hpp"

namespace fastptm::cli {

namespace {

struct options {
  std::string code; // empty: all
  bool json = false, markdown = false;
};

void print(const core::error_row& row, bool json) {
  if (json) {
    return print_line(core::json_writer()
                          .text("code", row.name)
                          .text("meaning", row.meaning)
                          .text("status", to_string(row.seen_as))
                          .text("remedy", row.remedy)
                          .str());
  }
  print_line(fmt::format("{:<18} {}\n{:<18} {}", row.name, row.meaning, "", row.remedy));
}

int run(const options& chosen) {
  if (chosen.markdown) {
    auto text = core::errors_as_markdown();
    text.pop_back(); // print_line ends it
    print_line(text);
    return 0;
  }
  bool any = false;
  for (const auto& row : core::error_table()) {
    if (!chosen.code.empty() && chosen.code != row.name) continue;
    any = true;
    print(row, chosen.json);
  }
  if (any) return 0;
  return failed({core::errc::not_found,
                 fmt::format("no error code '{}': `fastptm errors` lists them all", core::printable(chosen.code, 40))});
}

} // namespace

void add_errors(CLI::App& app, invocation& chosen) {
  auto* command = app.add_subcommand("errors", "What the codes of failures mean, and what to do about them");
  auto given = std::make_shared<options>();
  command->add_option("CODE", given->code, "One of them; without it all");
  command->add_flag("--json", given->json, "One JSON object a line");
  command->add_flag("--markdown", given->markdown, "As docs/errors.md");
  command->footer("Example:\n  fastptm errors does_not_fit");
  command->callback([given, &chosen] { chosen = [given] { return run(*given); }; });
}

} // namespace fastptm::cli
