// The host's processor and memory as a device.
#pragma once

#include <memory>

#include "core/error.hpp"
#include "gpu/device.hpp"
#include "gpu/host/kernel_table.hpp"

namespace fastptm::gpu::host {

// Touches the whole arena before it returns. `set` is best_isa() everywhere but in tests.
core::result<std::unique_ptr<device>> make_host_device(const device_options& options, isa set);

} // namespace fastptm::gpu::host
