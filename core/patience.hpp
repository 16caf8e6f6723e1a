// How long each of those who wait for an answer waits beyond the deadline of the request.
//
// Whoever stands further from the device waits longer, so that the answer of the one before it arrives.
#pragma once

#include "core/clock.hpp"

namespace fastptm::core {

// A late answer is still worth something; what comes later is worth nothing to anybody.
inline constexpr duration_us tenant_patience_us = 900'000;    // the tenant's actor answers by then, whatever happens
inline constexpr duration_us client_patience_us = 1'000'000;  // the client says deadline_exceeded by itself
inline constexpr duration_us gateway_patience_us = 1'500'000; // a backstop: only a tenant that is no more gets here
inline constexpr duration_us longest_patience_us = 2'000'000; // no call of the gateway ends before all of these

static_assert(tenant_patience_us < client_patience_us, "the client would miss the tenant's own words");
static_assert(client_patience_us < gateway_patience_us, "the gateway would give up on who still waits");

static_assert(gateway_patience_us < longest_patience_us, "calls would be broken off instead of answered");

} // namespace fastptm::core
