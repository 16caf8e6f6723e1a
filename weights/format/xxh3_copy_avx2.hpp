// Copies a block and hashes it in the same pass, for processors with AVX2.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fastptm::weights {

// Returns XXH3_64bits of the 16 KiB that now lie at the target. Every vector is loaded once: what is hashed is what is
// stored, whatever happens to the source meanwhile. Stores go past the caches; call finish_streaming() before others
// read. Requires: __builtin_cpu_supports("avx2"), a target aligned to 32 bytes.
uint64_t copy_block_avx2(std::byte* target, const std::byte* source);

void finish_streaming();

} // namespace fastptm::weights
