// Drains a device, waits at the administration port for a load that reads from it, and kills its node.
#include "tools/demo_run/ambush.hpp"

#include <chrono>
#include <csignal>
#include <thread>

#include "cli/connection.hpp"

namespace fastptm::demo {

namespace {

constexpr core::duration_us ready_timeout_us = 20'000'000;
constexpr uint32_t most_attempts = 10;
constexpr core::duration_us drain_us = 500'000; // within it, requests of the stream move some of the device's sets

struct prey {
  core::load_id load;
  std::string device, model, node;
};

std::optional<prey> find_prey(clients::admin_client& admin) {
  const auto loads = admin.running_loads();
  if (!loads) return std::nullopt;
  for (const auto& load : *loads)
    if (!load.peers.empty())
      return prey{load.id, load.device, load.model, load.peers[0].substr(0, load.peers[0].find('/'))};
  return std::nullopt;
}

// While it lives the device gets no new work: whoever needs one of its sets loads it elsewhere, from this very device.
class drained_device {
public:
  drained_device(clients::admin_client& admin, std::string name) : admin_(admin), name_(std::move(name)) {
    drained_ = admin_.cordon(name_, true).has_value();
  }
  ~drained_device() {
    if (drained_) (void)admin_.cordon(name_, false);
  }
  drained_device(const drained_device&) = delete;
  drained_device& operator=(const drained_device&) = delete;

private:
  clients::admin_client& admin_;
  const std::string name_;
  bool drained_ = false;
};

// The one with the most sets: its models are asked for soonest.
std::string fullest_device(clients::admin_client& admin) {
  const auto status = admin.status();
  if (!status) return {};
  std::string fullest;
  size_t most = 0;
  for (const auto& node : status->nodes) {
    for (const auto& device : node.devices) {
      if (device.resident.size() <= most) continue;
      most = device.resident.size();
      fullest = device.name;
    }
  }
  return fullest;
}

std::optional<prey> wait_for_prey(clients::admin_client& admin, const std::atomic<bool>& stop) {
  const auto give_up_us = core::monotonic_now_us() + drain_us;
  while (!stop && core::monotonic_now_us() < give_up_us) // each question is a round trip: no further pause is needed
    if (const auto found = find_prey(admin)) return found;
  return std::nullopt;
}

pid_t pid_of(clients::admin_client& admin, const std::string& node) {
  const auto status = admin.status();
  if (!status) return 0;
  for (const auto& row : status->nodes)
    if (node == row.name) return row.state == protocol::node_state::ready ? static_cast<pid_t>(row.pid) : 0;
  return 0;
}

// How the load ended, once its report is there: nothing while it runs.
struct load_end {
  bool ok = false;
  bool victim_failed = false;
  std::string finished_from;
};

std::optional<load_end> find_end(clients::admin_client& admin, const prey& target) {
  const auto reports = admin.loads(100);
  if (!reports) return std::nullopt;
  for (const auto& report : *reports) {
    if (report.id != target.load) continue;
    load_end end;
    end.ok = report.ok();
    for (const auto& source : report.sources) {
      if (target.node == source.node && source.failed)
        end.victim_failed = true;
      else if (source.bytes > 0 && !source.failed)
        end.finished_from +=
            (end.finished_from.empty() ? "" : ", ") + source.node + " (" + source.kind + " over " + source.path + ")";
    }
    return end;
  }
  return std::nullopt;
}

// Until the victim has another pid and is ready.
std::optional<core::duration_us> wait_ready(clients::admin_client& admin, const std::string& node, pid_t old_pid,
                                            core::time_us since_us) {
  while (core::monotonic_now_us() - since_us < ready_timeout_us) {
    if (const auto pid = pid_of(admin, node); pid != 0 && pid != old_pid) return core::monotonic_now_us() - since_us;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return std::nullopt;
}

} // namespace

core::result<ambush_report> kill_a_source(const std::string& state_folder, const std::atomic<bool>& stop) {
  cli::cluster_options options;
  options.state = state_folder;
  auto connected = cli::connect_admin(options);
  if (!connected) return core::fail(connected.error());
  auto& admin = **connected;
  ambush_report report;
  while (!stop && report.attempts < most_attempts) {
    const auto device = fullest_device(admin);
    if (device.empty()) continue;
    const drained_device draining(admin, device);
    const auto target = wait_for_prey(admin, stop);
    if (!target) continue;
    const auto pid = pid_of(admin, target->node);
    if (pid == 0) continue;
    const auto killed_us = core::monotonic_now_us();
    if (kill(pid, SIGKILL) != 0) continue;
    ++report.attempts;
    std::optional<load_end> end;
    while (!end && core::monotonic_now_us() - killed_us < ready_timeout_us) end = find_end(admin, *target);
    const auto ended_us = core::monotonic_now_us();
    const auto back_us = wait_ready(admin, target->node, pid, killed_us);
    if (!end || !end->victim_failed) continue; // it had just finished: try the next one
    if (!end->ok)
      return core::fail(core::errc::unavailable, "the load did not survive the death of its source " + target->node);
    report.victim = target->node;
    report.device = target->device;
    report.model = target->model;
    report.recovered_us = ended_us - killed_us;
    report.finished_from = end->finished_from;
    report.back_us = back_us;
    return report;
  }
  return core::fail(core::errc::not_found, "no load read from a peer's device when a kill could hit it");
}

} // namespace fastptm::demo
