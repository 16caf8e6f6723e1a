// The inner loops compiled for avx512; gpu/CMakeLists.txt gives this file its instruction set.
#include "gpu/host/attention.hpp"
#include "gpu/host/layer_norm.hpp"
#include "gpu/host/product.hpp"
#include "gpu/host/vector_avx512.hpp"

namespace fastptm::gpu::host {

// Nothing here may use inline functions of the standard library: the linker keeps one copy of those for all files, and
// it could be the one with this file's instructions.
extern const kernel_table avx512_table;
const kernel_table avx512_table = {isa::avx512, "f32, weights in place, products 6x64, attention 8x32",
                                   &product<avx512_vector>::run, &attend<avx512_vector>, &norm<avx512_vector>::run};

} // namespace fastptm::gpu::host
