// Four floats with what every x86-64 has (SSE2).
#pragma once

#include <emmintrin.h>

namespace fastptm::gpu::host {

struct portable_vector {
  static constexpr unsigned width = 4;
  // Tiles of products: 2 rows x 4 sums, 4 inputs, 1 weight in 16 registers.
  static constexpr unsigned product_rows = 2;
  static constexpr unsigned product_panels = 1;
  static constexpr unsigned attention_rows = 2;
  static constexpr unsigned attention_panels = 1;
  using native = __m128;

  static native load(const float* from) { return _mm_loadu_ps(from); }
  static void store(float* to, native v) { _mm_storeu_ps(to, v); }
  static native broadcast(float x) { return _mm_set1_ps(x); }
  static native multiply_add(native a, native b, native c) { return _mm_add_ps(_mm_mul_ps(a, b), c); }
  static native max(native a, native b) { return _mm_max_ps(a, b); }
  static native min(native a, native b) { return _mm_min_ps(a, b); }
  static native square_root(native v) { return _mm_sqrt_ps(v); }
  static native round(native v) { return _mm_cvtepi32_ps(_mm_cvtps_epi32(v)); }
  // v * 2^n. Requires: n whole, -126 <= n <= 127.
  static native scale(native v, native n) {
    return _mm_mul_ps(v, _mm_castsi128_ps(_mm_slli_epi32(_mm_add_epi32(_mm_cvtps_epi32(n), _mm_set1_epi32(127)), 23)));
  }
};

} // namespace fastptm::gpu::host
