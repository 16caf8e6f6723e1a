// Eight floats with AVX2 and FMA. Only for files compiled for them.
#pragma once

#include <immintrin.h>

namespace fastptm::gpu::host {

struct avx2_vector {
  static constexpr unsigned width = 8;
  // Tiles of products: 3 rows x 4 sums, 4 inputs in 16 registers.
  static constexpr unsigned product_rows = 3;
  static constexpr unsigned product_panels = 2;
  static constexpr unsigned attention_rows = 4;
  static constexpr unsigned attention_panels = 1;
  using native = __m256;

  static native load(const float* from) { return _mm256_loadu_ps(from); }
  static void store(float* to, native v) { _mm256_storeu_ps(to, v); }
  static native broadcast(float x) { return _mm256_set1_ps(x); }
  static native multiply_add(native a, native b, native c) { return _mm256_fmadd_ps(a, b, c); }
  static native max(native a, native b) { return _mm256_max_ps(a, b); }
  static native min(native a, native b) { return _mm256_min_ps(a, b); }
  static native square_root(native v) { return _mm256_sqrt_ps(v); }
  static native round(native v) { return _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  // v * 2^n. Requires: n whole, -126 <= n <= 127.
  static native scale(native v, native n) {
    const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_mul_ps(v, _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23)));
  }
};

} // namespace fastptm::gpu::host
