// A reference model put into a device's arena, shard by shard, at once or later.
#pragma once

#include <memory>
#include <vector>

#include "engine/runner.hpp"
#include "gpu/device.hpp"
#include "models/encoder/layout.hpp"
#include "models/registry.hpp"
#include "tests/engine/reference.hpp"

namespace fastptm::engine {

enum class placing : uint8_t { now, later };

class placed_model {
public:
  // `later`: the bytes are all ones (NaN) until arrive().
  placed_model(gpu::device& on, const reference::model& of, placing when = placing::now);

  size_t shard_count() const { return addresses_.size(); }
  // Writes the shard's bytes, then sets its event.
  void arrive(size_t shard);
  void fail(size_t shard, core::error why) { addresses_[shard].verified->set_failed(std::move(why)); }

  run_request request(std::vector<sequence> inputs) const;

private:
  const reference::model& model_;
  std::vector<models::shard_layout> layouts_;
  std::vector<gpu::lease> leases_;
  std::vector<shard_address> addresses_;
};

} // namespace fastptm::engine
