// How much one node serves at a time, and how long it waits for those it serves.
#pragma once

#include <cstddef>

#include "core/clock.hpp"
#include "transport/peer_memory.hpp"

namespace fastptm::transport::sockets {

struct serving_limits {
  // Connections that have not proven the secret: beyond it the oldest of them goes, so that those who stay silent
  // never keep a node out that is new.
  size_t strangers = 64;
  core::duration_us greeting_us = 2'000'000; // to prove the secret: two round trips

  size_t peers = 1024;           // that have proven it; beyond it the longest idle goes
  size_t queued_per_peer = 256;  // fetches beyond it are answered busy
  size_t pinned_per_peer = 8;    // ranges that a peer reads for itself or that are sent to it: a window of 4, twice
  size_t unread_per_peer = 1024; // messages that a peer does not read; then it is cut off
  core::duration_us send_us = 5'000'000;   // without a byte taken: the peer hangs and is cut off
  core::duration_us idle_us = 120'000'000; // without a fetch: its connection is closed; askers do so earlier
  core::duration_us grant_us = transport::grant_us;
};

} // namespace fastptm::transport::sockets
