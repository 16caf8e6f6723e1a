// Every subcommand of `fastptm`: each adds itself to the command line and, when chosen, leaves what to run.
#pragma once

#include <functional>

#include <CLI/CLI.hpp>

namespace fastptm::cli {

// What the chosen subcommand does; the result is the exit code: 0 done, 1 failed (stderr says what).
using invocation = std::function<int()>;

void add_bench(CLI::App& app, invocation& chosen);
void add_check(CLI::App& app, invocation& chosen);
void add_up(CLI::App& app, invocation& chosen);
void add_down(CLI::App& app, invocation& chosen);
void add_node(CLI::App& app, invocation& chosen);
void add_node_credentials(CLI::App& app, invocation& chosen);
void add_sim(CLI::App& app, invocation& chosen);
void add_status(CLI::App& app, invocation& chosen);
void add_errors(CLI::App& app, invocation& chosen);
void add_explain(CLI::App& app, invocation& chosen);
void add_models(CLI::App& app, invocation& chosen);
void add_embed(CLI::App& app, invocation& chosen);
void add_classify(CLI::App& app, invocation& chosen);
void add_cordon(CLI::App& app, invocation& chosen);
void add_uncordon(CLI::App& app, invocation& chosen);
void add_evict(CLI::App& app, invocation& chosen);
void add_drop_cache(CLI::App& app, invocation& chosen);
void add_publish(CLI::App& app, invocation& chosen);
void add_unpublish(CLI::App& app, invocation& chosen);
void add_token(CLI::App& app, invocation& chosen);
void add_tokenize(CLI::App& app, invocation& chosen);
void add_version(CLI::App& app, invocation& chosen);
void add_play(CLI::App& app, invocation& chosen);
void add_loads(CLI::App& app, invocation& chosen);

} // namespace fastptm::cli
