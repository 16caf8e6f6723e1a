// Chooses the inner loops by CPUID; see kernel_table.hpp.
#include "gpu/host/kernel_table.hpp"

#include "core/check.hpp"

namespace fastptm::gpu::host {

extern const kernel_table portable_table, avx2_table, avx512_table;

bool is_supported(isa set) noexcept {
  switch (set) {
    case isa::portable:
      return true;
    case isa::avx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case isa::avx512:
      return __builtin_cpu_supports("avx512f") && is_supported(isa::avx2);
  }
  return false;
}

isa best_isa() noexcept {
  return is_supported(isa::avx512) ? isa::avx512 : is_supported(isa::avx2) ? isa::avx2 : isa::portable;
}

const kernel_table& table_of(isa set) {
  core::check(is_supported(set), "kernels for instructions that this processor lacks");
  return set == isa::avx512 ? avx512_table : set == isa::avx2 ? avx2_table : portable_table;
}

std::string_view isa_name() noexcept {
  return to_string(best_isa());
}

} // namespace fastptm::gpu::host
