// One life of a node in a world: what it owns, from its exporter to its actors.
#pragma once

#include <memory>
#include <string>

#include "actors/start_node.hpp"
#include "core/random.hpp"
#include "sim/world/virtual_device.hpp"
#include "sim/world/virtual_disk.hpp"
#include "sim/world/virtual_network.hpp"
#include "sim/world/virtual_runner.hpp"
#include "sim/world/virtual_system.hpp"
#include "transport/exporter.hpp"
#include "weights/load/scrubber.hpp"
#include "weights/load/verifier.hpp"
#include "weights/store/host_cache.hpp"

namespace fastptm::sim::world {

struct world_node {
  std::string name;
  uint64_t incarnation = 0;
  transport::exporter exports;
  std::unique_ptr<virtual_device> device; // of a worker
  std::unique_ptr<virtual_runner> runner;
  std::unique_ptr<weights::host_cache> cache; // of the head
  std::unique_ptr<virtual_disk> disk;
  weights::verifier checker{0};
  std::unique_ptr<weights::scrubber> scrubber;
  actors::loading_environment environment;
  actors::node_parts parts;
  actors::node_actors actors;
  uint32_t joins = 0;
  bool is_frozen = false;

  bool is_idle() const { return (!disk || disk->is_idle()) && (!runner || runner->is_idle()); }
};

} // namespace fastptm::sim::world
