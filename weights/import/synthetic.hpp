// Writes model folders with seeded random weights: for benchmarks and demonstrations where no real model is at hand.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "core/error.hpp"
#include "core/random.hpp"

namespace fastptm::weights {

struct synthetic_shape {
  uint32_t hidden = 0;
  uint32_t layers = 0;
  uint32_t heads = 0;
  uint32_t intermediate = 0;
  uint32_t vocabulary = 0;
  uint32_t positions = 0;
  uint32_t labels = 0; // 0: a model that embeds; else one that classifies
};

// "bert-base" (438 MB), "minilm" (91 MB) or "tiny" (about 100 KB); errc::not_found for other names.
core::result<synthetic_shape> synthetic_shape_named(std::string_view name);

// A Hugging Face folder: config.json, model.safetensors, and a vocab.txt that spells every ASCII text. The same shape
// and seed give the same bytes. The folder is made if it is missing; files of these names in it are replaced.
core::result<void> write_synthetic_model(const std::filesystem::path& folder, const synthetic_shape& shape,
                                         uint64_t seed);

// A number with mean 0 and variance 1 that is normal enough for weights: the sum of four uniform ones, |x| < 3.47.
float nearly_normal(core::prng& random);

} // namespace fastptm::weights
