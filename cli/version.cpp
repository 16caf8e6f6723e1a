// `fastptm version`: what this build is and what it chose for this machine.
#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "core/json_writer.hpp"
#include "gpu/backends.hpp"
#include "protocol/cluster.hpp"

namespace fastptm::cli {

namespace {

constexpr std::string_view version_text = FASTPTM_VERSION;

// A device of the smallest size, to ask it what it would use.
std::string isa_of(std::string_view kind) {
  const auto device = gpu::make_device(kind, {.name = "probe", .arena_bytes = 1 << 20, .threads = 1});
  return device ? (*device)->info().isa : "not available";
}

int run(bool json) {
  const auto host = isa_of("host");
  const auto cuda = isa_of("cuda");
  if (json) {
    print_line(core::json_writer()
                   .text("version", version_text)
                   .number("protocol", uint64_t{protocol::protocol_version})
                   .text("host", host)
                   .text("cuda", cuda)
                   .str());
  } else {
    print_line(fmt::format("fastptm {}, node protocol {}, host kernels: {}, cuda: {}", version_text,
                           protocol::protocol_version, host, cuda));
  }
  return 0;
}

} // namespace

void add_version(CLI::App& app, invocation& chosen) {
  auto* command = app.add_subcommand("version", "This build, and the kernels it uses on this machine");
  auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "One JSON object");
  command->callback([json, &chosen] { chosen = [json] { return run(*json); }; });
}

} // namespace fastptm::cli
