// The binary: chooses the subcommand and turns its end into an exit code.
#include <array>
#include <cstdio>
#include <exception>

#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "cli/replay.hpp"
#include "core/log.hpp"
#include "node/process/host_limits.hpp"

namespace {

using namespace fastptm;
using namespace fastptm::cli;

void add_all(CLI::App& app, invocation& chosen) {
  app.require_subcommand(1);
  app.footer("Start here:\n"
             "  fastptm up cluster-configs/one-host.capnp --state /tmp/demo --detach\n"
             "  fastptm publish MODELDIR --model minilm --as acme --state /tmp/demo\n"
             "  fastptm embed acme/minilm@1 --text 'a sentence' --as acme --state /tmp/demo\n"
             "  fastptm down --state /tmp/demo");
  add_check(app, chosen);
  add_up(app, chosen);
  add_down(app, chosen);
  add_node(app, chosen);
  add_node_credentials(app, chosen);
  add_status(app, chosen);
  add_sim(app, chosen);
  add_explain(app, chosen);
  add_publish(app, chosen);
  add_unpublish(app, chosen);
  add_models(app, chosen);
  add_embed(app, chosen);
  add_classify(app, chosen);
  add_loads(app, chosen);
  add_cordon(app, chosen);
  add_uncordon(app, chosen);
  add_evict(app, chosen);
  add_drop_cache(app, chosen);
  add_token(app, chosen);
  add_tokenize(app, chosen);
  add_play(app, chosen);
  add_bench(app, chosen);
  add_errors(app, chosen);
  add_version(app, chosen);
  cli::add_replay_commands(app);
}

// 0 after --help, 2 after wrong usage, the code itself when a callback threw CLI::RuntimeError.
int end_of_parsing(CLI::App& app, const CLI::ParseError& end) {
  if (dynamic_cast<const CLI::RuntimeError*>(&end) != nullptr) return end.get_exit_code();
  if (end.get_exit_code() == 0) return app.exit(end);
  std::string what = end.what();
  if (app.get_subcommands().empty() && !app.remaining().empty())
    what = "unknown command '" + app.remaining().front() + "'";
  std::fprintf(stderr, "fastptm: %s (see --help)\n", core::printable(what, 400).c_str());
  return 2;
}

} // namespace

int main(int count, char** arguments) {
  node::meet_limits_plainly();
  // Whole lines, also into a pipe: who is interrupted leaves no half of a JSON value behind. The C library takes a size
  // only with a buffer.
  static std::array<char, size_t{1} << 18> lines;
  std::setvbuf(stdout, lines.data(), _IOLBF, lines.size());
  CLI::App app("FastPTM serves many more models than fit into a fleet's memory: models stay, weights move.", "fastptm");
  invocation chosen;
  add_all(app, chosen);
  try {
    parse_arguments(app, count, arguments);
  } catch (const CLI::ParseError& end) {
    return end_of_parsing(app, end);
  }
  // Libraries may throw what no one foresaw (bad_alloc, most likely): an error line, not an abort.
  try {
    const int code = chosen ? chosen() : 0;
    if (std::fflush(stdout) != 0) return failed({core::errc::io, "cannot write to stdout"});
    return code;
  } catch (const std::exception& cause) {
    return failed({core::errc::internal, node::plain_reason(cause)});
  }
}
