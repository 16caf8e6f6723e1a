// A cluster whose loads can only come from the wanted source; evict, ask, ask again, copy, repeat.
#include "cli/bench/bench_switch.hpp"

#include <chrono>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "bench/fetch_source.hpp"
#include "cli/bench/bench_model.hpp"
#include "cli/connection.hpp"
#include "node/process/temporary_cluster.hpp"
#include "transport/probe.hpp"

namespace fastptm::cli {

namespace {

constexpr size_t tokens = 128;
constexpr core::duration_us deadline_us = 60'000'000;
constexpr core::duration_us load_end_us = 5'000'000; // of a load whose answer has come
constexpr uint64_t spare_mib = 64;                   // fragmentation and rounding

struct plan {
  std::string kind; // as in the report of a load
  std::string path;
  std::string sources;    // of the measured node, as in the configuration
  std::string transports; // UCX_TLS
  bool holder = false;    // another worker holds the set
};

core::result<plan> plan_of(const switch_bench_options& options) {
  if (options.source == "peer") {
    if (options.path == "tcp") return plan{"peer_device", "tcp", "peerDevice", "tcp", true};
    if (options.path.empty() || options.path == "cma") return plan{"peer_device", "cma", "peerDevice", "tcp,cma", true};
    if (options.path == "cuda_ipc")
      return core::fail(core::errc::unavailable, "path cuda_ipc: this build has no CUDA devices, use cma or tcp");
  } else if (options.source == "host_cache") {
    if (options.path.empty() || options.path == "map")
      return plan{"host_cache", "map", "hostCache, disk", "tcp,cma", false};
    if (options.path == "pcie")
      return core::fail(core::errc::unavailable, "path pcie: this build has no CUDA devices, use map");
  } else if (options.source == "disk") {
    if (options.path.empty() || options.path == "io_uring") return plan{"disk", "io_uring", "disk", "tcp,cma", false};
  } else {
    return core::fail(core::errc::invalid, fmt::format("source '{}': use peer, host_cache or disk", options.source));
  }
  return core::fail(
      core::errc::invalid,
      fmt::format(
          "path '{}' does not lead to source {}: use cma or tcp to a peer, map to the host cache, io_uring to the disk",
          options.path, options.source));
}

std::string config_text(const plan& how, uint64_t mib, const std::string& device) {
  const auto worker = [&](std::string_view name, std::string_view sources) {
    return fmt::format("    (name = \"{}\", roles = [worker], sources = [{}],\n"
                       "     devices = [(name = \"{}\", arenaMib = {})]),\n",
                       name, sources, device, mib);
  };
  return fmt::format("@0xa7f2b8e1c45d9036;\nusing Config = import \"/schemas/config.capnp\";\n"
                     "const cluster :Config.Cluster = (\n  nodes = [\n"
                     "    (name = \"head\", roles = [head, store], hostCacheMib = {}),\n{}{}  ],\n"
                     "  tenants = [(name = \"bench\")],\n  transfers = (ucxTransports = \"{}\"),\n);\n",
                     mib, worker("taker", how.sources), how.holder ? worker("holder", "hostCache, disk") : "",
                     how.transports);
}

uint64_t size_of(const std::filesystem::path& folder) {
  uint64_t bytes = 0;
  std::error_code trouble;
  for (const auto& entry : std::filesystem::directory_iterator(folder, trouble)) {
    if (entry.path().extension() == ".safetensors") bytes += entry.file_size(trouble);
  }
  return bytes;
}

class switch_bench {
public:
  switch_bench(plan how, const std::string& device)
      : how_(std::move(how)), taker_("taker/" + device), holder_("holder/" + device) {}

  core::result<void> start(const std::filesystem::path& model, const std::string& device) {
    auto cluster = node::temporary_cluster::start(config_text(how_, (size_of(model) >> 20) + spare_mib, device));
    if (!cluster) return core::fail(cluster.error());
    cluster_ = std::move(*cluster);
    cluster_options options;
    options.state = cluster_->state().string();
    options.tenant = "bench";
    options.loop = clients::make_event_loop();
    auto tenant = connect_tenant(options);
    if (!tenant) return core::fail(tenant.error());
    tenant_ = std::move(*tenant);
    auto admin = connect_admin(options);
    if (!admin) return core::fail(admin.error());
    admin_ = std::move(*admin);
    auto name = publish_folder(*tenant_, model, "model");
    if (!name) return core::fail(name.error());
    name_ = *name;
    if (how_.holder) {
      // Only the holder may take the first load, only the taker the others.
      if (auto done = admin_->cordon(taker_, true); !done) return done;
      if (auto first = ask(); !first) return core::fail(first.error());
      if (auto done = admin_->cordon(holder_, true); !done) return done;
      return admin_->cordon(taker_, false);
    }
    if (auto first = ask(); !first) return core::fail(first.error()); // warms the host cache
    if (auto gone = evict(); !gone) return core::fail(gone.error());
    return {};
  }

  struct sample {
    core::duration_us switch_us = 0, resident_us = 0, load_us = 0, bare_us = 0;
  };

  // Requires: the taker does not hold the set. Leaves it so.
  core::result<sample> measure() {
    sample out;
    if (how_.kind == "disk") {
      if (auto dropped = admin_->drop_cache(); !dropped) return core::fail(dropped.error());
    }
    const auto loaded = ask();
    if (!loaded) return core::fail(loaded.error());
    if (!loaded->loaded) return core::fail(core::errc::internal, "the set was on the device already");
    const auto resident = ask();
    if (!resident) return core::fail(resident.error());
    out.switch_us = static_cast<core::duration_us>(loaded->total_us);
    out.resident_us = static_cast<core::duration_us>(resident->total_us);
    if (auto checked = check_last_load(out); !checked) return core::fail(checked.error());
    auto bare = copy_bare();
    if (!bare) return core::fail(bare.error());
    out.bare_us = *bare;
    if (auto gone = evict(); !gone) return core::fail(gone.error());
    return out;
  }

  uint64_t bytes() const { return bytes_; }

private:
  // An answer may come before a shard that it did not need.
  core::result<uint64_t> evict() {
    const auto give_up_us = core::monotonic_now_us() + load_end_us;
    auto gone = admin_->evict(taker_, name_);
    while (!gone && gone.error().code == core::errc::busy && core::monotonic_now_us() < give_up_us) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      gone = admin_->evict(taker_, name_);
    }
    return gone;
  }

  core::result<clients::answer> ask() {
    clients::input input;
    for (size_t i = 0; i < tokens; ++i) input.ids.push_back(static_cast<int32_t>(5 + i % 90));
    core::result<clients::answer> out;
    tenant_->infer(name_, core::task_kind::embed, input, deadline_us,
                   [&](clients::answer got) { out = std::move(got); });
    while (tenant_->pending() > 0) tenant_->run_until_answer(core::monotonic_now_us() + deadline_us);
    if (!out->answered()) return core::fail(core::errc::unavailable, out->status + ": " + out->error);
    return out;
  }

  // The load must have come from where it should, or the figures mean something else.
  core::result<void> check_last_load(sample& into) {
    auto got = tenant_->loads(1);
    if (!got) return core::fail(got.error());
    if (got->empty()) return core::fail(core::errc::internal, "the load was not reported");
    const auto& report = got->front();
    bytes_ = report.bytes_moved;
    into.load_us = report.wall_us;
    for (const auto& source : report.sources) {
      if (source.bytes == 0 || (source.kind == how_.kind && source.path == how_.path)) continue;
      return core::fail(core::errc::unavailable,
                        fmt::format("bytes came from {} over {}, not from {} over {}: try again on a quiet machine",
                                    source.kind, source.path, how_.kind, how_.path));
    }
    return {};
  }

  core::result<core::duration_us> copy_bare() {
    if (target_ == nullptr) {
      target_ = std::make_unique<bench::warm_memory>(bytes_);
      original_ = std::make_unique<bench::warm_memory>(bytes_);
    }
    if (how_.path == "tcp") return transport::bare_socket_us(target_->region(), original_->region());
    if (how_.path != "io_uring") return transport::bare_memcpy_us(target_->region(), original_->region());
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(cluster_->state() / "store" / "objects")) {
      // Shards only: the tokenizer's object is not part of a load.
      if (entry.is_regular_file() && entry.file_size() % 4096 == 0) files.push_back(entry.path());
    }
    return transport::bare_disk_us(files, target_->region());
  }

  const plan how_;
  const std::string taker_, holder_;
  std::unique_ptr<node::temporary_cluster> cluster_;
  std::unique_ptr<clients::tenant_client> tenant_;
  std::unique_ptr<clients::admin_client> admin_;
  std::string name_;
  uint64_t bytes_ = 0;
  std::unique_ptr<bench::warm_memory> target_, original_;
};

} // namespace

core::result<switch_bench_result> run_switch_bench(const switch_bench_options& options) {
  const auto how = plan_of(options);
  if (!how) return core::fail(how.error());
  const auto scratch = scratch_folder::make();
  if (!scratch) return core::fail(scratch.error());
  const auto folder = bench_model(options.model, (*scratch)->path());
  if (!folder) return core::fail(folder.error());
  switch_bench bench(*how, options.device);
  if (auto started = bench.start(*folder, options.device); !started) return core::fail(started.error());
  if (auto warm = bench.measure(); !warm) return core::fail(warm.error()); // skeletons, connections, page tables
  std::vector<core::duration_us> switches, residents, loads, bares;
  for (unsigned i = 0; i < options.repetitions; ++i) {
    const auto one = bench.measure();
    if (!one) return core::fail(one.error());
    switches.push_back(one->switch_us);
    residents.push_back(one->resident_us);
    loads.push_back(one->load_us);
    bares.push_back(one->bare_us);
  }
  switch_bench_result out;
  out.source = options.source;
  out.path = how->path;
  out.bytes = bench.bytes();
  out.resident_us = median(residents);
  out.switch_us = median(switches);
  out.load_us = median(loads);
  out.bare_us = median(bares);
  out.overhead_ppm =
      static_cast<uint64_t>(std::max<int64_t>(out.switch_us - out.resident_us, 0) * 1'000'000 / out.bare_us);
  out.fraction_ppm = static_cast<uint64_t>(out.bare_us * 1'000'000 / std::max<int64_t>(out.load_us, 1));
  return out;
}

} // namespace fastptm::cli
