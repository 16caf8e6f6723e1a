// The pass of a post-norm encoder with absolute positions: BERT (Devlin et al. 2018) and its relatives.
#pragma once

#include <optional>
#include <string>

#include "models/encoder/config.hpp"
#include "models/encoder/weights_map.hpp"
#include "models/skeleton/skeleton.hpp"

namespace fastptm::models::encoder {

class skeleton final : public models::skeleton {
public:
  // Requires: `numbers` are those of `arch`, validated.
  skeleton(models::architecture arch, const config& numbers);

  const models::architecture& architecture() const override { return arch_; }
  core::result<void> check(const models::task& job, const binding& weights) override;
  core::result<gpu::activations> run(const models::task& job, pass& on) override;

private:
  // The matrices of a pass; each is named for what it holds last.
  struct activations {
    gpu::activations hidden, qkv, context, intermediate, pooled, pooler_output, logits;
  };
  uint64_t workspace_bytes(const gpu::kernels& compute, const models::task& job, const batch& inputs) const;
  activations take(const models::task& job, pass& on) const;

  void embed(pass& on, const std::byte* shard, const activations& in);
  void layer(pass& on, const std::byte* shard, const activations& in);
  core::result<gpu::activations> head(const models::task& job, pass& on, const activations& in);

  // The head's map, kept from run to run: models of one task follow each other.
  const std::optional<head_map>& head_of(const models::task& job);

  const models::architecture arch_;
  const config numbers_;
  const std::string name_;                       // for messages
  const std::vector<models::shard_layout> body_; // embeddings and layers
  const embeddings_map embeddings_;
  const layer_map layer_;
  std::optional<models::task> head_task_;
  std::optional<head_map> head_;
};

} // namespace fastptm::models::encoder
