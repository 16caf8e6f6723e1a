// The subcommands that need no cluster: replay, cluster-replay and gen-workload.
#pragma once

namespace CLI {
class App;
}

namespace fastptm::cli {

// Each prints JSON on stdout. A failure is printed on stderr and thrown as CLI::RuntimeError(1), which App::exit turns
// into the exit code; wrong usage is CLI's own error (2 by the main's mapping).
void add_replay_commands(CLI::App& app);

} // namespace fastptm::cli
