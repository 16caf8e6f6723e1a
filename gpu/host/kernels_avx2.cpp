// The inner loops compiled for avx2; gpu/CMakeLists.txt gives this file its instruction set.
#include "gpu/host/attention.hpp"
#include "gpu/host/layer_norm.hpp"
#include "gpu/host/product.hpp"
#include "gpu/host/vector_avx2.hpp"

namespace fastptm::gpu::host {

// Nothing here may use inline functions of the standard library: the linker keeps one copy of those for all files, and
// it could be the one with this file's instructions.
extern const kernel_table avx2_table;
const kernel_table avx2_table = {isa::avx2, "f32, weights in place, products 3x32, attention 4x16",
                                 &product<avx2_vector>::run, &attend<avx2_vector>, &norm<avx2_vector>::run};

} // namespace fastptm::gpu::host
