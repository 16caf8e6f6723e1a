// `fastptm embed` and `classify`: inputs in, one line each out, in order.
#include <deque>
#include <optional>

#include <fmt/format.h>

#include "node/commands/commands.hpp"
#include "node/commands/connection.hpp"
#include "node/commands/inputs.hpp"
#include "node/commands/json.hpp"
#include "node/commands/output.hpp"

namespace fastptm::node::commands {

namespace {

// Asked at the same time by one command; the cluster's own bound is the tenant's quota.
constexpr size_t max_in_flight = 256;
// Longer than any deadline the cluster accepts.
constexpr core::duration_us patience_us = 120'000'000;

struct options {
  cluster_options cluster;
  input_options inputs;
  std::string model;
  std::string deadline;
  bool classify = false;
};

std::string to_json(const rpc::answer& from, bool classify) {
  json_object out;
  out.text("status", from.status);
  if (from.answered()) {
    out.raw(classify ? "logits" : "embedding", json_floats(from.output));
    if (classify) out.number("label", int64_t{from.label});
  } else {
    out.text("error", from.error);
    if (from.retry_after_us > 0) out.number("retry_after_us", from.retry_after_us);
  }
  out.text("worker", from.worker).flag("loaded", from.loaded).flag("late", from.status == "late");
  out.number("queue_us", from.queue_us).number("switch_us", from.switch_us).number("run_us", from.run_us);
  return out.number("total_us", from.total_us).str();
}

std::string to_text(const rpc::answer& from, bool classify) {
  if (!from.answered()) return fmt::format("{}: {}", from.status, from.error);
  std::string values;
  for (size_t i = 0; i < std::min<size_t>(from.output.size(), 6); ++i) values += fmt::format("{:.4f} ", from.output[i]);
  if (from.output.size() > 6) values += fmt::format("... ({} values) ", from.output.size());
  return fmt::format("{}{}  [{}, {}{:.1f} ms]", classify ? fmt::format("label {}: ", from.label) : "", values,
                     from.worker, from.loaded ? "loaded, " : "", static_cast<double>(from.total_us) / 1000);
}

void print(const rpc::answer& from, const options& chosen) {
  print_line(chosen.cluster.json ? to_json(from, chosen.classify) : to_text(from, chosen.classify));
}

// Every input gets its line even when the cluster cannot be reached: scripts read lines.
int all_unavailable(size_t count, const options& chosen, const core::error& cause) {
  rpc::answer none;
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
  if (!client) return all_unavailable(inputs->size(), chosen, client.error());

  std::deque<std::optional<rpc::answer>> waiting; // answers of inputs [printed, asked)
  size_t printed = 0, asked = 0, bad = 0;
  while (printed < inputs->size()) {
    while (asked < inputs->size() && asked - printed < max_in_flight) {
      waiting.emplace_back();
      (*client)->infer(chosen.model, chosen.classify, (*inputs)[asked], deadline_us,
                       [&waiting, &printed, at = asked](rpc::answer got) { waiting[at - printed] = std::move(got); });
      ++asked;
    }
    (*client)->run_until_answer(core::monotonic_now_us() + patience_us);
    while (!waiting.empty() && waiting.front()) {
      bad += waiting.front()->answered() ? 0 : 1;
      if (bad == 1 && !waiting.front()->answered())
        say("fastptm: " + waiting.front()->status + ": " + waiting.front()->error);
      print(*waiting.front(), chosen);
      waiting.pop_front();
      ++printed;
    }
  }
  if (bad > 1) say(fmt::format("fastptm: {} of {} inputs were not answered", bad, inputs->size()));
  return bad == 0 ? 0 : 1;
}

void add(CLI::App& app, invocation& chosen, const char* name, const char* what, bool classify) {
  auto* command = app.add_subcommand(name, what);
  auto given = std::make_shared<options>();
  given->classify = classify;
  command->add_option("MODEL", given->model, "TENANT/NAME@VERSION; without version the newest")->required();
  command->add_option("--text", given->inputs.texts,
                      "A text as it is, brackets and commas too; once for each text. --text= is the empty one");
  command->add_option("--lines", given->inputs.lines_file,
                      "A file, or a pipe such as /dev/stdin, with one text a line");
  command->add_option(
      "--ids", given->inputs.ids_file,
      "A file or pipe with a JSON list of inputs, each a list of token ids or {\"ids\":[...],\"token_types\":[...]}");
  command->add_option("--deadline", given->deadline,
                      "When the answer is of use, e.g. 500ms or 3s (default: the cluster's)");
  add_tenant_options(*command, given->cluster);
  command->footer(fmt::format(
      "Example:\n  fastptm {} acme/minilm@1 --text 'a sentence' --deadline 500ms --as acme --state /tmp/demo", name));
  command->callback([given, &chosen] { chosen = [given] { return run(*given); }; });
}

} // namespace

void add_embed(CLI::App& app, invocation& chosen) {
  add(app, chosen, "embed", "Turn texts or token ids into vectors", false);
}

void add_classify(CLI::App& app, invocation& chosen) {
  add(app, chosen, "classify", "Score texts or token ids by label", true);
}

} // namespace fastptm::node::commands
