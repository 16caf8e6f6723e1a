// Manifests from a store or a peer: whatever is accepted is canonical, so that equal sets have equal names.
#include "weights/format/manifest.hpp"

#include <algorithm>

#include "core/check.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fastptm;
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto set = weights::decode(bytes);
  if (!set) return 0;
  core::check(size <= weights::max_manifest_bytes, "manifests are bounded");
  core::check(set->total_bytes() > 0, "a set has bytes");
  core::check(std::ranges::equal(weights::encode(*set), bytes), "decoding and encoding is the identity");
  return 0;
}
