// `fastptm embed` and `classify`: inputs in, one line each out, in order.
#include <deque>
#include <optional>

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/duration_option.hpp"
#include "cli/inputs.hpp"
#include "cli/output.hpp"
#include "core/json_writer.hpp"
#include "core/log.hpp"

namespace fastptm::cli {

namespace {

// Asked at the same time by one command; the cluster's own bound is the tenant's quota.
constexpr size_t max_in_flight = 256;
// Longer than any deadline the cluster accepts.
constexpr core::duration_us patience_us = 120'000'000;

constexpr const char* embed_examples =
    "Examples:\n"
    "  fastptm embed acme/minilm@1 --text 'a sentence' --deadline 500ms --as acme --state /tmp/demo\n"
    "  fastptm embed acme/e5@1 --prompt query --lines questions.txt --json --as acme --state /tmp/demo";
constexpr const char* classify_examples =
    "Logits are raw; an answer with --json has label_name where config.json names the labels, and labels with a score\n"
    "each (the sigmoid) where its problem_type is multi_label_classification.\n"
    "Examples:\n"
    "  fastptm classify acme/mood@1 --text 'a sentence' --deadline 500ms --as acme --state /tmp/demo\n"
    "  fastptm classify acme/reranker@1 --pairs pairs.json --as acme --state /tmp/demo    # [[\"query\", \"passage\"], "
    "...]";

struct options {
  cluster_options cluster;
  input_options inputs;
  std::string model;
  std::string deadline;
  core::task_kind task = core::task_kind::embed;
};

std::string labels_json(const std::vector<clients::label_score>& labels) {
  core::json_list out;
  for (const auto& each : labels)
    out.add(core::json_writer().text("name", each.name).raw("score", core::json_number(each.score)).str());
  return out.str();
}

void add_classes(core::json_writer& out, const clients::answer& from) {
  out.number("label", int64_t{from.label});
  if (!from.label_name.empty()) out.text("label_name", from.label_name);
  if (!from.labels.empty()) out.raw("labels", labels_json(from.labels));
}

std::string to_json(const clients::answer& from, core::task_kind task) {
  core::json_writer out;
  out.text("status", from.status);
  if (from.answered()) {
    out.raw(task == core::task_kind::classify ? "logits" : "embedding", core::json_floats(from.output));
    if (task == core::task_kind::classify) add_classes(out, from);
    out.number("tokens", uint64_t{from.tokens}).flag("truncated", from.truncated);
  } else {
    out.text("error", from.error);
    if (from.retry_after_us > 0) out.number("retry_after_us", from.retry_after_us);
  }
  out.text("worker", from.node).flag("loaded", from.loaded).flag("late", from.status == "late");
  out.number("queue_us", from.queue_us).number("switch_us", from.switch_us).number("run_us", from.run_us);
  return out.number("total_us", from.total_us).str();
}

// "label 2 (positive): ", and every label's score where several may be true.
std::string classes_text(const clients::answer& from) {
  std::string scores;
  for (const auto& each : from.labels) scores += fmt::format("{} {:.3f}, ", core::printable(each.name, 60), each.score);
  if (from.label_name.empty()) return fmt::format("label {}: ", from.label);
  return fmt::format("label {} ({}): {}", from.label, core::printable(from.label_name, 60), scores);
}

std::string to_text(const clients::answer& from, core::task_kind task) {
  if (!from.answered()) return fmt::format("{}: {}", from.status, from.error);
  std::string values;
  for (size_t i = 0; i < std::min<size_t>(from.output.size(), 6); ++i) values += fmt::format("{:.4f} ", from.output[i]);
  if (from.output.size() > 6) values += fmt::format("... ({} values) ", from.output.size());
  return fmt::format("{}{}  [{}, {}{:.1f} ms]", task == core::task_kind::classify ? classes_text(from) : "", values,
                     from.node, from.loaded ? "loaded, " : "", static_cast<double>(from.total_us) / 1000);
}

void print(const clients::answer& from, const options& chosen) {
  print_line(chosen.cluster.json ? to_json(from, chosen.task) : to_text(from, chosen.task));
}

// Every input gets its line even when the cluster cannot be reached: scripts read lines.
int all_unavailable(size_t count, const options& chosen, const core::error& cause) {
  clients::answer none;
  none.status = cause.code == core::errc::permission_denied ? "permission_denied" : "unavailable";
  none.error = cause.message;
  if (chosen.cluster.json) {
    for (size_t i = 0; i < count; ++i) print(none, chosen);
  }
  return failed(cause);
}

int run(const options& chosen) {
  const auto inputs = read_inputs(chosen.inputs);
  if (!inputs) return failed(inputs.error());
  core::duration_us deadline_us = 0;
  if (!chosen.deadline.empty()) {
    const auto parsed = parse_duration(chosen.deadline);
    if (!parsed) return failed(parsed.error());
    deadline_us = *parsed;
  }
  auto client = open_tenant(chosen.cluster);
  if (!client && client.error().code == core::errc::invalid) return not_connected(client.error());
  if (!client) return all_unavailable(inputs->size(), chosen, client.error());

  std::deque<std::optional<clients::answer>> waiting; // answers of inputs [printed, asked)
  size_t printed = 0, asked = 0, bad = 0, cut = 0;
  while (printed < inputs->size()) {
    while (asked < inputs->size() && asked - printed < max_in_flight) {
      waiting.emplace_back();
      (*client)->infer(
          chosen.model, chosen.task, (*inputs)[asked], deadline_us,
          [&waiting, &printed, at = asked](clients::answer got) { waiting[at - printed] = std::move(got); });
      ++asked;
    }
    (*client)->run_until_answer(core::monotonic_now_us() + patience_us);
    while (!waiting.empty() && waiting.front()) {
      bad += waiting.front()->answered() ? 0 : 1;
      if (bad == 1 && !waiting.front()->answered())
        say("fastptm: " + waiting.front()->status + ": " + waiting.front()->error);
      cut += waiting.front()->truncated ? 1 : 0;
      print(*waiting.front(), chosen);
      waiting.pop_front();
      ++printed;
    }
  }
  if (cut > 0 && !chosen.cluster.json)
    say(fmt::format("fastptm: {} of {} texts had more tokens than the model reads and were cut", cut, inputs->size()));
  if (bad > 1) say(fmt::format("fastptm: {} of {} inputs were not answered", bad, inputs->size()));
  return bad == 0 ? 0 : 1;
}

void add(CLI::App& app, invocation& chosen, const char* what, core::task_kind task) {
  auto* command = app.add_subcommand(std::string(to_string(task)), what);
  auto given = std::make_shared<options>();
  given->task = task;
  command->add_option("MODEL", given->model, "TENANT/NAME@VERSION; without version the newest")->required();
  command->add_option("--text", given->inputs.texts,
                      "A text as it is, brackets and commas too; once for each text. --text= is the empty one");
  command->add_option("--lines", given->inputs.lines_file,
                      "A file, or a pipe such as /dev/stdin, with one text a line");
  command->add_option(
      "--ids", given->inputs.ids_file,
      "A file or pipe with a JSON list of inputs, each a list of token ids or {\"ids\":[...],\"token_types\":[...]}");
  if (task == core::task_kind::classify)
    command->add_option(
        "--pairs", given->inputs.pairs_file,
        "A JSON list of [first, second]: two texts each that are read together, as rerankers want them; "
        "the longer one is cut first");
  command->add_option("--prompt", given->inputs.prompt,
                      "The name of the model's prompt to put before every text (default: as the model's files say)");
  command
      ->add_option("--deadline", given->deadline,
                   "When the answer is of use, e.g. 500ms or 3s (default: the cluster's)")
      ->check(is_duration());
  add_tenant_options(*command, given->cluster);
  command->footer(task == core::task_kind::classify ? classify_examples : embed_examples);
  command->callback([given, &chosen] { chosen = [given] { return run(*given); }; });
}

} // namespace

void add_embed(CLI::App& app, invocation& chosen) {
  add(app, chosen, "Turn texts or token ids into vectors", core::task_kind::embed);
}

void add_classify(CLI::App& app, invocation& chosen) {
  add(app, chosen, "Score texts or token ids by label", core::task_kind::classify);
}

} // namespace fastptm::cli
