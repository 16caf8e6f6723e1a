// The host device in the conformance suite, once for every instruction set of this processor.
#include "gpu/host/device.hpp"
#include "tests/gpu/conformance/device_conformance.hpp"

namespace fastptm::gpu::conformance {
namespace {

std::vector<backend> host_backends() {
  std::vector<backend> backends;
  for (const host::isa set : {host::isa::portable, host::isa::avx2, host::isa::avx512}) {
    if (!host::is_supported(set)) continue;
    backends.push_back({"host_" + std::string(host::to_string(set)),
                        [set](const device_options& options) { return host::make_host_device(options, set); },
                        [](core::memory_region to, std::span<const std::byte> bytes) {
                          std::memcpy(to.address, bytes.data(), bytes.size());
                        }});
  }
  return backends;
}

INSTANTIATE_TEST_SUITE_P(Host, device_conformance, testing::ValuesIn(host_backends()),
                         [](const auto& instance) { return instance.param.name; });

} // namespace
} // namespace fastptm::gpu::conformance
