// A source and an asker over each backend, for the conformance suite.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "transport/exporter.hpp"
#include "transport/fetcher.hpp"

namespace fastptm::transport::test {

// One source node with its exporter, and one fetcher of another node. The source's memory lives as long as the rig.
class rig {
public:
  virtual ~rig() = default;
  virtual fetcher& asker() = 0;
  virtual peer_address address() const = 0;
  virtual exporter& exports() = 0;
  // Memory that this backend can export, filled by the caller.
  virtual exportable make_memory(uint64_t size_bytes) = 0;
  // Ends the source's backend at once, with whatever is under way.
  virtual void stop_source() = 0;
  virtual void stop_asker() = 0;
  // Gives a caller-driven backend a turn; a threaded one a moment.
  virtual void turn() = 0;
};

struct rig_options {
  std::string source_secret = "a secret of the cluster";
  std::string asker_secret = "a secret of the cluster";
  uint64_t incarnation = 17;
  uint32_t fetches_in_flight = 256;
};

struct backend_under_test {
  std::string name;
  path way;
  bool proves_secret;         // false: in process, there is nobody to prove anything to
  bool revokes_after_opening; // false: a mapping once made stays readable, its users verify
  std::function<std::unique_ptr<rig>(const rig_options&)> make;
};

const std::vector<backend_under_test>& all_backends();

} // namespace fastptm::transport::test
