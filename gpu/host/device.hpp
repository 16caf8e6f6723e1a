// The host's processor and memory as a device.
#pragma once

#include <memory>

#include "core/error.hpp"
#include "gpu/device.hpp"
#include "gpu/host/kernel_table.hpp"

namespace fastptm::gpu::host {

// The arena's pages come into memory later, in the background or when they are first used. `set` is best_isa()
// everywhere but in tests.
core::result<std::unique_ptr<device>> make_host_device(const device_options& options, isa set);

} // namespace fastptm::gpu::host
