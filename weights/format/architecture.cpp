// Bounds, fingerprint and name of an architecture.
#include "weights/format/architecture.hpp"

#include <bit>
#include <string_view>

#include <fmt/format.h>

#include "weights/format/hash.hpp"

namespace fastptm::weights {

namespace {

struct bounded {
  std::string_view name;
  uint32_t value;
  uint32_t most;
};

core::result<void> in_bounds(const bounded& field) {
  if (field.value >= 1 && field.value <= field.most) return {};
  return core::fail(core::errc::invalid,
                    fmt::format("{} is {}, expected 1 to {}", field.name, field.value, field.most));
}

} // namespace

core::result<void> validate(const architecture& arch) {
  for (const bounded& field :
       {bounded{"hidden_size", arch.hidden, max_hidden}, bounded{"num_hidden_layers", arch.layers, max_layers},
        bounded{"num_attention_heads", arch.heads, max_hidden},
        bounded{"intermediate_size", arch.intermediate, max_intermediate},
        bounded{"vocab_size", arch.vocabulary, max_vocabulary},
        bounded{"max_position_embeddings", arch.positions, max_positions},
        bounded{"type_vocab_size", arch.token_types, max_token_types}}) {
    if (auto ok = in_bounds(field); !ok) return ok;
  }
  if (arch.hidden % arch.heads != 0) {
    return core::fail(core::errc::invalid, fmt::format("hidden_size {} is not divisible by num_attention_heads {}",
                                                       arch.hidden, arch.heads));
  }
  if (!(arch.layer_norm_eps > 0 && arch.layer_norm_eps < 1)) {
    return core::fail(core::errc::invalid, "layer_norm_eps must be a number between 0 and 1");
  }
  return {};
}

core::result<void> validate(const architecture& arch, const task& job) {
  if (auto ok = validate(arch); !ok) return ok;
  const bool classifies = job.kind == task_kind::classify;
  if (classifies && !job.has_pooler) return core::fail(core::errc::invalid, "a classifier needs the pooler's tensors");
  if (classifies ? job.labels < 1 || job.labels > max_labels : job.labels != 0) {
    return core::fail(core::errc::invalid, fmt::format("{} labels, expected {}", job.labels,
                                                       classifies ? fmt::format("1 to {}", max_labels) : "none"));
  }
  if (job.max_tokens < 1 || job.max_tokens > arch.positions) {
    return core::fail(core::errc::invalid, fmt::format("longest input of {} tokens, expected 1 to {} (positions)",
                                                       job.max_tokens, arch.positions));
  }
  return {};
}

core::digest fingerprint(const architecture& arch) {
  // A text of all fields in a fixed order; the epsilon by its bits, so that no formatting can merge two values.
  return sha256(fmt::format("fastptm architecture 1 family={} dtype={} layout={} hidden={} layers={} heads={} "
                            "intermediate={} vocabulary={} positions={} token_types={} act={} eps={:016x}",
                            static_cast<int>(arch.family), static_cast<int>(arch.dtype), arch.layout_tag, arch.hidden,
                            arch.layers, arch.heads, arch.intermediate, arch.vocabulary, arch.positions,
                            arch.token_types, static_cast<int>(arch.act),
                            std::bit_cast<uint64_t>(arch.layer_norm_eps)));
}

std::string name_of(const architecture& arch) {
  return fmt::format("bert-{}x{}-f32", arch.layers, arch.hidden);
}

std::string_view to_string(task_kind kind) noexcept {
  return kind == task_kind::embed ? "embed" : "classify";
}

std::string_view to_string(pooling pool) noexcept {
  switch (pool) {
    case pooling::mean:
      return "mean";
    case pooling::cls:
      return "cls";
    case pooling::max:
      return "max";
    case pooling::mean_sqrt_len:
      return "mean_sqrt_len";
  }
  return "unknown";
}

} // namespace fastptm::weights
