// The reference header once more, with its AVX2 loops: all of it is static here, so nothing of it reaches other files.
#include "weights/format/xxh3_avx2.hpp"

#include <cstdlib>
#include <cstring>
#include <immintrin.h>

#pragma GCC target("avx2")
#define XXH_INLINE_ALL
#define XXH_VECTOR 2 // XXH_AVX2, which the header names only later
#include <xxhash.h>

namespace fastptm::weights {

static_assert(XXH_VECTOR == XXH_AVX2, "another version of the header counts its loops differently");

uint64_t xxh3_64_avx2(const void* data, size_t size_bytes) {
  return XXH3_64bits(data, size_bytes);
}

} // namespace fastptm::weights
