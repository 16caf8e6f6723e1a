// The operators on the host's processor: pieces of each handed to a team of threads.
#pragma once

#include <vector>

#include "gpu/host/kernel_table.hpp"
#include "gpu/host/thread_team.hpp"
#include "gpu/kernels.hpp"

namespace fastptm::gpu::host {

class host_kernels final : public kernels {
public:
  // Requires: is_supported(set).
  host_kernels(unsigned threads, isa set);

  uint64_t activation_bytes(uint32_t rows, uint32_t features) const override;
  void embed(std::span<const int32_t> ids, std::span<const int32_t> types, std::span<const row_span> sequences,
             const embedding_tables& tables, activations out) override;
  void linear(activations in, const linear_weights& weights, activation act, activations out) override;
  void linear_add(activations in, const linear_weights& weights, activations out) override;
  void attention(activations in, std::span<const row_span> sequences, uint32_t heads, activations out) override;
  void layer_norm(activations inout, const norm_weights& weights) override;
  void pool(activations in, std::span<const row_span> sequences, pooling how, activations out) override;
  void normalize(activations inout) override;
  void read(activations in, uint32_t row, std::span<float> out) override;

private:
  void product(activations in, const linear_weights& weights, activation act, bool add, activations out);

  const kernel_table& table_;
  thread_team team_;
  std::vector<std::vector<float>> scratch_; // one per member of the team; grows to the longest sequence seen
};

} // namespace fastptm::gpu::host
