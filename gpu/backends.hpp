// Makes devices by name: the only place that knows which backends this build has.
#pragma once

#include <memory>
#include <string_view>

#include "core/error.hpp"
#include "gpu/device.hpp"

namespace fastptm::gpu {

// kind: "host" or "cuda". errc::unavailable when the machine or the build lacks the backend, errc::invalid for another
// word, errc::does_not_fit when the arena's memory cannot be had. Takes as long as touching the whole arena once.
core::result<std::unique_ptr<device>> make_device(std::string_view kind, const device_options& options);

} // namespace fastptm::gpu
