// XXH3-64's loop (Yann Collet, xxHash 0.8) for long inputs of one size, with a streaming store behind every load.
#include "weights/format/xxh3_copy_avx2.hpp"

#include <cstdlib>
#include <cstring>
#include <immintrin.h>

#include "weights/format/hash.hpp"

// Only what follows may use AVX2: nothing inline of other headers may be compiled for it.
#pragma GCC target("avx2")
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace fastptm::weights {

namespace {

constexpr size_t stripe_bytes = XXH_STRIPE_LEN;
constexpr size_t stripes = checksum_block_bytes / stripe_bytes;
constexpr size_t stripes_per_scramble = (sizeof XXH3_kSecret - stripe_bytes) / XXH_SECRET_CONSUME_RATE;
constexpr size_t last_secret = sizeof XXH3_kSecret - stripe_bytes - 7;
static_assert(stripes % stripes_per_scramble == 0, "the last stripe is the only odd one");

struct accumulators {
  __m256i low, high;
};

inline __m256i accumulate(__m256i sum, __m256i data, const uint8_t* secret) {
  const auto key = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(secret));
  const auto mixed = _mm256_xor_si256(data, key);
  const auto product = _mm256_mul_epu32(mixed, _mm256_shuffle_epi32(mixed, _MM_SHUFFLE(0, 3, 0, 1)));
  const auto swapped = _mm256_shuffle_epi32(data, _MM_SHUFFLE(1, 0, 3, 2));
  return _mm256_add_epi64(product, _mm256_add_epi64(sum, swapped));
}

inline __m256i copy_vector(std::byte* target, const std::byte* source) {
  auto data = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(source));
  asm volatile("" : "+x"(data)); // one load: the compiler may not fetch it again for the hash
  _mm256_stream_si256(reinterpret_cast<__m256i*>(target), data);
  return data;
}

inline void copy_stripe(accumulators& sums, std::byte* target, const std::byte* source, const uint8_t* secret) {
  sums.low = accumulate(sums.low, copy_vector(target, source), secret);
  sums.high = accumulate(sums.high, copy_vector(target + 32, source + 32), secret + 32);
}

inline __m256i scramble(__m256i sum, const uint8_t* secret) {
  const auto prime = _mm256_set1_epi32(static_cast<int>(XXH_PRIME32_1));
  const auto folded = _mm256_xor_si256(sum, _mm256_srli_epi64(sum, 47));
  const auto mixed = _mm256_xor_si256(folded, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(secret)));
  const auto high = _mm256_mul_epu32(_mm256_shuffle_epi32(mixed, _MM_SHUFFLE(0, 3, 0, 1)), prime);
  return _mm256_add_epi64(_mm256_mul_epu32(mixed, prime), _mm256_slli_epi64(high, 32));
}

} // namespace

uint64_t copy_block_avx2(std::byte* target, const std::byte* source) {
  const auto word = [](uint64_t value) { return static_cast<long long>(value); };
  accumulators sums{_mm256_set_epi64x(word(XXH_PRIME64_3), word(XXH_PRIME64_2), word(XXH_PRIME64_1), XXH_PRIME32_3),
                    _mm256_set_epi64x(XXH_PRIME32_1, word(XXH_PRIME64_5), XXH_PRIME32_2, word(XXH_PRIME64_4))};
  const uint8_t* secret = XXH3_kSecret;
  for (size_t stripe = 0; stripe + 1 < stripes; ++stripe) {
    const auto within = stripe % stripes_per_scramble;
    copy_stripe(sums, target + stripe * stripe_bytes, source + stripe * stripe_bytes,
                secret + within * XXH_SECRET_CONSUME_RATE);
    if (within + 1 < stripes_per_scramble) continue;
    sums.low = scramble(sums.low, secret + sizeof XXH3_kSecret - stripe_bytes);
    sums.high = scramble(sums.high, secret + sizeof XXH3_kSecret - stripe_bytes + 32);
  }
  const auto last = (stripes - 1) * stripe_bytes;
  copy_stripe(sums, target + last, source + last, secret + last_secret);
  alignas(64) xxh_u64 lanes[XXH_ACC_NB];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), sums.low);
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes + 4), sums.high);
  return XXH3_mergeAccs(lanes, secret + XXH_SECRET_MERGEACCS_START, checksum_block_bytes * XXH_PRIME64_1);
}

void finish_streaming() {
  _mm_sfence();
}

} // namespace fastptm::weights
