// The inner loops compiled for portable; gpu/CMakeLists.txt gives this file its instruction set.
#include "gpu/host/attention.hpp"
#include "gpu/host/layer_norm.hpp"
#include "gpu/host/product.hpp"
#include "gpu/host/vector_portable.hpp"

namespace fastptm::gpu::host {

// Nothing here may use inline functions of the standard library: the linker keeps one copy of those for all files, and
// it could be the one with this file's instructions.
extern const kernel_table portable_table;
const kernel_table portable_table = {isa::portable, "f32, weights in place, products 2x16, attention 2x16",
                                     &product<portable_vector>::run, &attend<portable_vector>,
                                     &norm<portable_vector>::run};

} // namespace fastptm::gpu::host
