// Fetches ranges of one peer's exported memory into local memory. Every backend passes the same conformance suite.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/ids.hpp"
#include "core/memory_region.hpp"
#include "transport/address.hpp"
#include "transport/exporter.hpp"

namespace fastptm::transport {

using fetch_id = core::strong_id<struct fetch_tag, uint64_t>; // never reused by its fetcher

// Which way bytes took; reported, never silently degraded.
enum class path : uint8_t {
  loopback, // in process: tests and simulation
  map,      // memcpy from the peer's mapped memory
  cma,      // process_vm_readv from the peer's memory
  tcp       // through the kernel's TCP
};

std::string_view to_string(path way) noexcept;

struct fetch_request {
  remote_range source;
  core::memory_region target;       // at least source.length_bytes; the caller's until the fetch has completed
  core::duration_us timeout_us = 0; // > 0; without a byte from that source, for this fetch or another
};

struct fetched {
  uint64_t bytes = 0;
  core::duration_us duration_us = 0; // from the call to the last byte
  path way = path::loopback;
  std::optional<uint64_t> checksum; // of the bytes in the target, where the backend computes it while copying
  // It was read so late that the source may have let go of the range: wrong bytes are nobody's lie.
  bool may_be_torn = false;
};

// Called exactly once per accepted fetch, when nothing can write into the target any more; on a thread of the
// transport, never from inside fetch(). Must not block; may call fetch() and cancel(). Errors:
//   unavailable (the peer is dead or unreachable), deadline_exceeded (it has brought nothing for too long), not_found (withdrawn: only this region is
//   gone), invalid (outside of the region), busy (the peer's queue is full), permission_denied (the secrets differ),
//   version_mismatch (another protocol or another life of the peer), cancelled.
using fetch_done = std::function<void(core::result<fetched>)>;

// Any thread.
class fetcher {
public:
  virtual ~fetcher() = default;

  // busy: too much is in flight here, drive again after a completion. Connects to the peer where needed.
  virtual core::result<fetch_id> fetch(const peer_address& peer, const fetch_request& request, fetch_done done) = 0;

  // Hurries the completion, which still comes (as `cancelled`, or as the success it had become).
  // Unknown ids are ignored.
  virtual void cancel(fetch_id id) = 0;

  // Fails what is outstanding from this life of a node and forgets it; the next fetch connects anew.
  virtual void close_peer(std::string_view node, uint64_t incarnation) = 0;

  // The path that a fetch from this peer takes, as far as known now.
  virtual path path_to(const peer_address& peer) const = 0;
};

} // namespace fastptm::transport
