// Sixteen floats with AVX-512F. Only for files compiled for it.
#pragma once

#include <immintrin.h>

namespace fastptm::gpu::host {

struct avx512_vector {
  static constexpr unsigned width = 16;
  // Tiles of products: 6 rows x 4 sums, 4 inputs, 1 weight in 32 registers.
  static constexpr unsigned product_rows = 6;
  static constexpr unsigned product_panels = 4;
  static constexpr unsigned attention_rows = 8;
  static constexpr unsigned attention_panels = 2;
  using native = __m512;

  static native load(const float* from) { return _mm512_loadu_ps(from); }
  static void store(float* to, native v) { _mm512_storeu_ps(to, v); }
  static native broadcast(float x) { return _mm512_set1_ps(x); }
  static native multiply_add(native a, native b, native c) { return _mm512_fmadd_ps(a, b, c); }
  static native max(native a, native b) { return _mm512_max_ps(a, b); }
  static native min(native a, native b) { return _mm512_min_ps(a, b); }
  static native square_root(native v) { return _mm512_sqrt_ps(v); }
  static native round(native v) { return _mm512_roundscale_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  // v * 2^n. Requires: n whole, -126 <= n <= 127.
  static native scale(native v, native n) { return _mm512_scalef_ps(v, n); }
};

} // namespace fastptm::gpu::host
