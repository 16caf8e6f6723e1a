// `fastptm publish`: checks a model folder here, sends its files, prints what the store made of them.
#include <cstdio>

#include <unistd.h>

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/output.hpp"
#include "cli/special_tokens.hpp"
#include "core/json_fields.hpp"
#include "engine/tokenizer.hpp"
#include "weights/import/import_plan.hpp"

namespace fastptm::cli {

namespace {

struct options {
  cluster_options cluster;
  std::string folder;
  std::string model;
  engine::special_tokens special = engine::special_tokens::library;
};

core::result<void> check_tokenizer(const std::filesystem::path& folder, uint32_t vocabulary) {
  if (!engine::has_tokenizer(folder)) return {};
  auto loaded = engine::load_tokenizer(folder, vocabulary);
  if (!loaded) return core::fail(loaded.error());
  return {};
}

// One line that moves, on terminals only.
class progress_line {
public:
  explicit progress_line(uint64_t total_bytes) : total_bytes_(total_bytes), shown_(::isatty(STDERR_FILENO) == 1) {}
  ~progress_line() {
    if (shown_) std::fputs("\r\033[K", stderr);
  }
  void at(uint64_t bytes) const {
    if (!shown_) return;
    std::fprintf(stderr, "\rsending %3.0f %% of %.1f MiB",
                 100.0 * static_cast<double>(bytes) / static_cast<double>(total_bytes_),
                 static_cast<double>(total_bytes_) / (1 << 20));
  }

private:
  const uint64_t total_bytes_;
  const bool shown_;
};

std::string notes_json(const std::vector<std::string>& notes) {
  core::json_list out;
  for (const auto& note : notes) out.add(core::json_text(note));
  return out.str();
}

int run(const options& chosen) {
  std::vector<clients::upload_file> files;
  std::vector<std::string> notes;
  uint64_t total_bytes = 1;
  {
    // Nothing hostile or broken is sent: what can be known without reading the weights is checked first.
    const auto plan = weights::inspect(chosen.folder, check_tokenizer);
    if (!plan) return failed(plan.error());
    notes = plan->notes;
    for (const auto& file : plan->uploads) {
      files.push_back({std::filesystem::path(chosen.folder) / file.path, file.path, file.size_bytes});
      total_bytes += file.size_bytes;
    }
  }
  auto client = connect_tenant(chosen.cluster);
  if (!client) return not_connected(client.error());
  const auto done = [&] {
    const progress_line line(total_bytes);
    const auto special = chosen.special == engine::special_tokens::text ? clients::special_tokens::text
                                                                        : clients::special_tokens::library;
    return (*client)->publish(
        chosen.model, files, [&](uint64_t sent) { line.at(sent); }, special);
  }();
  if (!done) return failed(done.error());
  for (const auto& note : notes) say("fastptm: note: " + note);
  if (chosen.cluster.json) {
    auto json = core::json_writer_of(*done);
    print_line(json.raw("notes", notes_json(notes)).str());
  } else {
    print_line(fmt::format("{}: {}, {:.1f} MiB in {} shards, {} of them new", done->model, done->architecture,
                           static_cast<double>(done->bytes) / (1 << 20), done->shards, done->new_shards));
  }
  return 0;
}

} // namespace

void add_publish(CLI::App& app, invocation& chosen) {
  auto* command = app.add_subcommand("publish", "Publish a Hugging Face model folder as the next version of a name");
  auto given = std::make_shared<options>();
  command->add_option("MODELDIR", given->folder, "config.json, model.safetensors, tokenizer files")->required();
  command->add_option("--model", given->model, "Its name, without tenant and version")->required();
  add_special_tokens_option(*command, given->special);
  add_tenant_options(*command, given->cluster);
  command->footer("Example:\n  fastptm publish ./all-MiniLM-L6-v2 --model minilm --as acme --state /tmp/demo");
  command->callback([given, &chosen] { chosen = [given] { return run(*given); }; });
}

} // namespace fastptm::cli
