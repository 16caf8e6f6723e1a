// The one rule for what tenants and models may be called.
#pragma once

#include <string_view>

#include "core/error.hpp"

namespace fastptm::core {

// 1 to 64 letters, digits, '.', '_', '-', not beginning with '.', '_' or '-': safe in paths, on command lines and in
// TENANT/NAME@VERSION. `what` says in the error whose name it is.
result<void> check_name(std::string_view what, std::string_view name);

} // namespace fastptm::core
