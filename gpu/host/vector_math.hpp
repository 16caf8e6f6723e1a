// exp and the activations on vectors of floats.
// The coefficients are our own minimax fits (weighted least squares in double).
#pragma once

namespace fastptm::gpu::host {

// Relative error below 2e-7; results below 2^-126 become about 2^-126, which no sum here can tell from 0.
template <class Vector> inline typename Vector::native exp_of(typename Vector::native x) {
  using native = typename Vector::native;
  x = Vector::min(Vector::max(x, Vector::broadcast(-87.0f)), Vector::broadcast(88.0f));
  // x = n ln 2 + r with |r| <= ln 2 / 2; ln 2 in two parts, the first exact in few bits, so that n times it is exact.
  const native n = Vector::round(x * Vector::broadcast(1.44269504f));
  native r = Vector::multiply_add(n, Vector::broadcast(-0.693359375f), x);
  r = Vector::multiply_add(n, Vector::broadcast(2.12194440e-4f), r);
  native p = Vector::broadcast(0.0013814468f);
  p = Vector::multiply_add(p, r, Vector::broadcast(0.0083687808f));
  p = Vector::multiply_add(p, r, Vector::broadcast(0.0416683927f));
  p = Vector::multiply_add(p, r, Vector::broadcast(0.1666651964f));
  p = Vector::multiply_add(p, r, Vector::broadcast(0.49999994f));
  p = Vector::multiply_add(p * r, r, r + Vector::broadcast(1.0f));
  return Vector::scale(p, n);
}

// x/2 (1 + erf(x / sqrt 2)), absolute error below 1e-6: erf(t / sqrt 2) / t as P(t^2) / Q(t^2) for |t| <= 5.5, where it
// is 1 to a float's precision.
template <class Vector> inline typename Vector::native gelu_erf_of(typename Vector::native x) {
  using native = typename Vector::native;
  const native t = Vector::min(Vector::max(x, Vector::broadcast(-5.5f)), Vector::broadcast(5.5f));
  const native u = t * t;
  native p = Vector::broadcast(4.54986768e-8f);
  p = Vector::multiply_add(p, u, Vector::broadcast(1.270426219e-5f));
  p = Vector::multiply_add(p, u, Vector::broadcast(3.376539309e-4f));
  p = Vector::multiply_add(p, u, Vector::broadcast(9.354537353e-3f));
  p = Vector::multiply_add(p, u, Vector::broadcast(6.770554185e-2f));
  p = Vector::multiply_add(p, u, Vector::broadcast(7.978844643e-1f));
  native q = Vector::broadcast(1.197504162e-6f);
  q = Vector::multiply_add(q, u, Vector::broadcast(7.36479415e-5f));
  q = Vector::multiply_add(q, u, Vector::broadcast(1.884452184e-3f));
  q = Vector::multiply_add(q, u, Vector::broadcast(2.864594385e-2f));
  q = Vector::multiply_add(q, u, Vector::broadcast(2.515222132e-1f));
  q = Vector::multiply_add(q, u, Vector::broadcast(1.0f));
  const native half = x * Vector::broadcast(0.5f);
  return Vector::multiply_add(half, t * p / q, half);
}

// x/2 (1 + tanh y) = x / (1 + exp(-2y)) with y = sqrt(2/pi) (x + 0.044715 x^3).
template <class Vector> inline typename Vector::native gelu_tanh_of(typename Vector::native x) {
  using native = typename Vector::native;
  const native cube = x * x * x;
  const native minus_2y = Vector::broadcast(-1.5957691f) * Vector::multiply_add(cube, Vector::broadcast(0.044715f), x);
  return x / (Vector::broadcast(1.0f) + exp_of<Vector>(minus_2y));
}

template <class Vector> inline typename Vector::native relu_of(typename Vector::native x) {
  return Vector::max(x, Vector::broadcast(0.0f));
}

} // namespace fastptm::gpu::host
