// How much one node serves at a time, and how long it waits for those it serves.
#pragma once

#include <cstddef>

#include "core/clock.hpp"
#include "transport/peer_memory.hpp"

namespace fastptm::transport::ucx {

struct serving_limits {
  unsigned sends_per_peer = 8;               // a window of 4 twice over
  unsigned sends_in_all = 64;                // 256 MiB of chunks under way
  size_t queued_per_peer = 256;              // fetches beyond it are answered busy
  size_t peers = 256;                        // connections beyond it are refused
  core::duration_us greeting_us = 2'000'000; // to prove the secret
  core::duration_us send_us = 5'000'000;     // a send that takes longer: the peer hangs and is cut off
  core::duration_us grant_us = transport::grant_us;
};

} // namespace fastptm::transport::ucx
