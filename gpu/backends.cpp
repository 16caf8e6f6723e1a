// The list of backends; see backends.hpp.
#include "gpu/backends.hpp"

#include "gpu/host/device.hpp"

namespace fastptm::gpu {

core::result<std::unique_ptr<device>> make_device(std::string_view kind, const device_options& options) {
  if (kind == "host") return host::make_host_device(options, host::best_isa());
  if (kind == "cuda") {
    return core::fail(core::errc::unavailable,
                      "device " + options.name + ": this build has no CUDA backend: configure a host device");
  }
  return core::fail(core::errc::invalid, "device " + options.name + ": kind '" + std::string(kind) + "': use host");
}

} // namespace fastptm::gpu
