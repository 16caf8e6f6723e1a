// `fastptm bench`: one measurement a subcommand, one JSON object each.
#include <fmt/format.h>

#include "bench/directory_bench.hpp"
#include "bench/engine_bench.hpp"
#include "bench/fetch_bench.hpp"
#include "bench/publish_bench.hpp"
#include "bench/scheduler_bench.hpp"
#include "cli/bench/bench_model.hpp"
#include "cli/bench/bench_switch.hpp"
#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/output.hpp"
#include "core/json_writer.hpp"
#include "core/log.hpp"
#include "node/process/temporary_cluster.hpp"

namespace fastptm::cli {

namespace {

int print(const core::json_writer& values) {
  print_line(values.str());
  return 0;
}

// -- switch -----------------------------------------------------------------------------------------------------------

int run_switch(const switch_bench_options& options) {
  const auto got = run_switch_bench(options);
  if (!got) return failed(got.error());
  return print(core::json_writer()
                   .text("source", got->source)
                   .text("path", got->path)
                   .number("bytes", got->bytes)
                   .number("resident_us", got->resident_us)
                   .number("switch_us", got->switch_us)
                   .number("load_us", got->load_us)
                   .number("bare_us", got->bare_us)
                   .number("overhead_ppm", got->overhead_ppm)
                   .number("fraction_ppm", got->fraction_ppm));
}

void add_switch(CLI::App& bench, invocation& chosen) {
  auto* command = bench.add_subcommand("switch", "What a switch costs beyond moving its bytes, on a real cluster");
  auto options = std::make_shared<switch_bench_options>();
  command->add_option("--model", options->model, "A folder, synthetic:minilm or synthetic:bert-base")
      ->capture_default_str();
  command->add_option("--source", options->source, "peer, host_cache or disk")->capture_default_str();
  command->add_option("--path", options->path, "cma or tcp; map; io_uring");
  command->add_option("--device", options->device, "Name of the host device")->capture_default_str();
  command->add_option("--repetitions", options->repetitions, "At least 7")
      ->capture_default_str()
      ->check(CLI::Range(7, 1000));
  command->callback([options, &chosen] { chosen = [options] { return run_switch(*options); }; });
}

// -- fetch ------------------------------------------------------------------------------------------------------------

struct fetch_options {
  std::string path = "map";
  uint64_t bytes = 256 << 20;
  unsigned sources = 1;
  std::string verify = "on";
};

int run_fetch(const fetch_options& options) {
  bench::fetch_bench_options wanted;
  if (options.path == "map") {
    wanted.way = transport::path::map;
  } else if (options.path == "cma") {
    wanted.way = transport::path::cma;
  } else {
    wanted.way = transport::path::tcp;
  }
  wanted.bytes = options.bytes;
  wanted.sources = options.sources;
  wanted.verify = options.verify == "on";
  const auto got = bench::run_fetch_bench(wanted);
  if (!got) return failed(got.error());
  return print(core::json_writer()
                   .text("path", options.path)
                   .number("sources", uint64_t{options.sources})
                   .number("bytes", options.bytes)
                   .number("rate_bps", got->rate_bps)
                   .number("bare_bps", got->bare_bps)
                   .number("fraction_ppm", uint64_t{got->fraction_ppm})
                   .number("cpu_us_per_gb", got->cpu_us_per_gb));
}

void add_fetch(CLI::App& bench, invocation& chosen) {
  auto* command = bench.add_subcommand("fetch", "How fast weights travel between processes, against the bare limit");
  auto options = std::make_shared<fetch_options>();
  command->add_option("--path", options->path, "map, cma or tcp")
      ->capture_default_str()
      ->check(CLI::IsMember({"map", "cma", "tcp"}));
  command->add_option("--bytes", options->bytes, "How many")
      ->capture_default_str()
      ->check(CLI::Range(uint64_t{1} << 20, uint64_t{1} << 36));
  command->add_option("--sources", options->sources, "From how many processes at once")
      ->capture_default_str()
      ->check(CLI::Range(1, 16));
  command->add_option("--verify", options->verify, "Checksums on or off")
      ->capture_default_str()
      ->check(CLI::IsMember({"on", "off"}));
  command->callback([options, &chosen] { chosen = [options] { return run_fetch(*options); }; });
}

// -- engine -----------------------------------------------------------------------------------------------------------

int run_engine(const bench::engine_bench_options& options) {
  const auto got = bench::run_engine_bench(options);
  if (!got) return failed(got.error());
  return print(core::json_writer()
                   .text("arch", options.arch)
                   .number("batch", uint64_t{options.batch})
                   .number("seq", uint64_t{options.seq})
                   .number("threads", uint64_t{options.threads})
                   .text("dtype", options.dtype)
                   .text("isa", got->isa)
                   .real("sequences_per_s", got->sequences_per_s)
                   .number("median_us", got->median_us)
                   .number("minimum_us", got->minimum_us)
                   .number("processor_us", got->processor_us));
}

void add_engine(CLI::App& bench, invocation& chosen) {
  auto* command = bench.add_subcommand("engine", "Sequences per second of the host kernels");
  auto options = std::make_shared<bench::engine_bench_options>();
  command->add_option("--arch", options->arch, "bert-base or minilm")->capture_default_str();
  command->add_option("--batch", options->batch, "Sequences at once")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  command->add_option("--seq", options->seq, "Tokens of each")->capture_default_str()->check(CLI::Range(1, 512));
  command->add_option("--threads", options->threads, "Cores")->capture_default_str()->check(CLI::Range(1, 256));
  command->add_option("--dtype", options->dtype, "f32 or bf16")->capture_default_str();
  command->callback([options, &chosen] { chosen = [options] { return run_engine(*options); }; });
}

// -- rpc --------------------------------------------------------------------------------------------------------------

constexpr std::string_view rpc_config = R"(@0xa7f2b8e1c45d9037;
using Config = import "/schemas/config.capnp";
const cluster :Config.Cluster = (
  nodes = [
    (name = "head", roles = [head, store], hostCacheMib = 8),
    (name = "worker", roles = [worker], devices = [(arenaMib = 8)]),
  ],
  tenants = [(name = "bench")],
);
)";

struct rpc_options {
  unsigned in_flight = 1;
  unsigned repetitions = 7;
};

int run_rpc(const rpc_options& options) {
  const auto cluster = node::temporary_cluster::start(rpc_config);
  if (!cluster) return failed(cluster.error());
  cluster_options where;
  where.state = (*cluster)->state().string();
  where.tenant = "bench";
  auto client = connect_tenant(where);
  if (!client) return not_connected(client.error());
  const size_t calls = options.in_flight == 1 ? 4'000 : 20'000;
  std::vector<double> rates;
  std::vector<core::duration_us> middles, tails;
  for (unsigned i = 0; i <= options.repetitions; ++i) {
    const auto start_us = core::monotonic_now_us();
    auto latencies = (*client)->ping_many(calls, options.in_flight);
    if (!latencies) return failed(latencies.error());
    const auto took_us = core::monotonic_now_us() - start_us;
    if (i == 0) continue; // warms up
    std::sort(latencies->begin(), latencies->end());
    rates.push_back(static_cast<double>(calls) * 1e6 / static_cast<double>(took_us));
    middles.push_back((*latencies)[calls / 2]);
    tails.push_back((*latencies)[calls * 99 / 100]);
  }
  return print(core::json_writer()
                   .number("in_flight", uint64_t{options.in_flight})
                   .number("calls_per_s", static_cast<uint64_t>(median(rates)))
                   .number("p50_us", median(middles))
                   .number("p99_us", median(tails)));
}

void add_rpc(CLI::App& bench, invocation& chosen) {
  auto* command = bench.add_subcommand("rpc", "Calls per second from a client through a tenant's actor and back");
  auto options = std::make_shared<rpc_options>();
  command->add_option("--in-flight", options->in_flight, "Calls at once")
      ->capture_default_str()
      ->check(CLI::Range(1, 4096));
  command->callback([options, &chosen] { chosen = [options] { return run_rpc(*options); }; });
}

// -- publish ----------------------------------------------------------------------------------------------------------

int run_publish(const std::string& model) {
  const auto scratch = scratch_folder::make();
  if (!scratch) return failed(scratch.error());
  const auto folder = bench_model(model, (*scratch)->path());
  if (!folder) return failed(folder.error());
  const auto got = bench::run_publish_bench({.model = *folder, .scratch = (*scratch)->path()});
  if (!got) return failed(got.error());
  return print(core::json_writer()
                   .number("bytes", got->bytes)
                   .number("rate_bps", got->rate_bps)
                   .number("bare_bps", got->bare_bps)
                   .number("fraction_ppm", got->fraction_ppm));
}

void add_publish_bench(CLI::App& bench, invocation& chosen) {
  auto* command = bench.add_subcommand("publish", "Bytes per second from a model folder to a synced store");
  auto model = std::make_shared<std::string>("synthetic:minilm");
  command->add_option("--model", *model, "A folder, synthetic:minilm or synthetic:bert-base")->capture_default_str();
  command->callback([model, &chosen] { chosen = [model] { return run_publish(*model); }; });
}

// -- scheduler --------------------------------------------------------------------------------------------------------

constexpr uint64_t scheduler_limit_rps = 100'000; // what the scheduler must take on two cores

int run_scheduler(const bench::scheduler_bench_options& options) {
  const auto got = bench::run_scheduler_bench(options);
  print(core::json_writer()
            .number("requests_per_s", got.requests_per_s)
            .number("limit_rps", scheduler_limit_rps)
            .number("decision_ns_p50", got.decision_ns_p50)
            .number("decision_ns_p99", got.decision_ns_p99)
            .real("requests_per_decision", got.requests_per_decision)
            .number("loads", got.loads)
            .number("failed", got.failed)
            .text("workers", "loopback double"));
  return got.failed == 0 ? 0 : 1;
}

void add_scheduler(CLI::App& bench, invocation& chosen) {
  auto* command =
      bench.add_subcommand("scheduler", "Requests per second through the scheduler actor, with doubles of devices");
  auto options = std::make_shared<bench::scheduler_bench_options>();
  command->add_option("--requests", options->requests, "Of each repetition")
      ->capture_default_str()
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 32));
  command->add_option("--devices", options->devices, "How many doubles")
      ->capture_default_str()
      ->check(CLI::Range(1, 4096));
  command->add_option("--models", options->models, "Of equal size; the devices have room for each of them twice")
      ->capture_default_str()
      ->check(CLI::Range(1, 65'536));
  command->callback([options, &chosen] { chosen = [options] { return run_scheduler(*options); }; });
}

// -- directory --------------------------------------------------------------------------------------------------------

// What a hundred loads of a set of 14 shards may cost, and the loss of 250 devices of 10,000.
constexpr uint64_t directory_limit_messages = 20'000;
constexpr core::duration_us directory_limit_us = 1'000'000, loss_limit_us = 200'000;

int run_directory(const bench::directory_bench_options& options) {
  core::log::open("bench", core::log::level::none); // of hundreds of nodes that are lost on purpose
  const auto got = bench::run_directory_bench(options);
  print(core::json_writer()
            .number("messages", got.messages)
            .number("limit_messages", directory_limit_messages)
            .number("directory_us", got.directory_us)
            .number("limit_us", directory_limit_us)
            .number("most_message_bytes", got.most_message_bytes)
            .number("virtual_us", got.virtual_us)
            .number("from_store", got.from_store)
            .number("loss_us", got.loss_us)
            .number("loss_limit_us", loss_limit_us)
            .number("loss_messages", got.loss_messages)
            .number("failed", got.failed)
            .text("transfers", "scripted double"));
  return got.failed == 0 ? 0 : 1;
}

void add_directory(CLI::App& bench, invocation& chosen) {
  auto* command = bench.add_subcommand(
      "directory", "What the directory does for many loads of one set, and when many devices are lost, with doubles");
  auto options = std::make_shared<bench::directory_bench_options>();
  command->add_option("--loads", options->loads, "Devices that load the set at the same time")
      ->capture_default_str()
      ->check(CLI::Range(1, 2000));
  command->add_option("--nodes", options->nodes, "Devices that stand when some are lost, each a node")
      ->capture_default_str()
      ->check(CLI::Range(1, 20'000));
  command->add_option("--lost", options->lost, "How many of them, fewer than there are")
      ->capture_default_str()
      ->check(CLI::Range(1, 20'000));
  command->add_option("--holdings", options->holdings, "Shards that they hold together")
      ->capture_default_str()
      ->check(CLI::Range(1, 4'000'000));
  command->callback([options, &chosen] { chosen = [options] { return run_directory(*options); }; });
}

} // namespace

void add_bench(CLI::App& app, invocation& chosen) {
  auto* bench = app.add_subcommand(
      "bench", "Measurements: medians of alternating repetitions, with the bare limit of the same minute");
  bench->require_subcommand(1);
  bench->footer("Example:\n  fastptm bench switch --model synthetic:minilm --source peer --path cma --json");
  for (auto* add : {add_switch, add_fetch, add_engine, add_rpc, add_publish_bench, add_scheduler, add_directory})
    add(*bench, chosen);
  // As everywhere, for scripts; there is nothing else to print.
  for (auto* command : bench->get_subcommands({}))
    command->add_flag("--json")->description("One JSON object, as without it");
}

} // namespace fastptm::cli
