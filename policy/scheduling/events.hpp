// What a driver tells the scheduling core, and what the core tells the driver to do. Plain values; indices are dense.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "core/clock.hpp"
#include "core/ids.hpp"
#include "policy/cost_model.hpp"
#include "policy/indices.hpp"

namespace fastptm::policy::scheduling {

using core::duration_us;
using core::time_us;

// Indices are the driver's: one may be used again as soon as the thing it meant is gone. Completions carry ids that are
// never reused, so late ones are recognised.

// A slot of the driver's request table and how often the slot has been used: the same slot means another request later.
struct request_ref {
  uint32_t slot = 0;
  uint32_t generation = 0;
  friend bool operator==(const request_ref&, const request_ref&) = default;
};

// What happens to a request that cannot be on time any more.
enum class late_rule : uint8_t {
  serve, // After everything that can still be on time; the answer is marked late.
  refuse // `refuse{late}` as soon as it is known.
};

// -- events -----------------------------------------------------------------------------------------------------------

struct tenant_added { // Also changes an existing tenant. A tenant that was never added has share 1 and `serve`.
  tenant_index tenant{};
  uint32_t share = 1; // Relative weight of the tenant when there is more work than devices. 1..10000.
  late_rule late = late_rule::serve;
};

struct model_added {
  model_index model{};
  tenant_index tenant{};
  std::span<const shard_size> shards{}; // Copied. Equal indices are the same bytes: models share them. None twice.
  execution_cost cost{};                // A prior: batch_done's measured times correct it.
  uint32_t cost_class = 0;              // Models of one class (architecture) share what is learned about execution.
  uint32_t home_host = 0;               // Host whose memory has the bytes: loads from there are cheaper.
};

// Queued requests are refused as unservable; running ones finish; its sets are evicted as nothing uses them any more.
// Until they are gone everywhere, a model_added of the same index is rejected as duplicate.
struct model_removed {
  model_index model{};
};

struct resident_set { // Already verified on a device that joins.
  model_index model{};
  std::span<const uint64_t> offsets_bytes{}; // Of its shards. Empty: wherever the picture of the device puts them.
};

struct device_joined { // Of an index that is in use: rejected as duplicate (report device_lost first).
  device_index device{};
  uint64_t arena_bytes = 0;
  uint32_t lanes = 1;
  uint32_t copy_engines = 1;                // Loads of this device that may be under way at once.
  uint32_t host = 0;                        // Devices of one host reach each other faster.
  uint32_t kind = 0;                        // Equal hardware, dense: devices of a kind share what is measured. < 4096.
  std::span<const resident_set> resident{}; // Least recently used first. Copied.
};

struct device_lost { // Its batches go back to the queue (a request at most twice, then refused as unavailable).
  device_index device{};
};

struct device_cordoned { // Gets no new work while set; what it does now goes on.
  device_index device{};
  bool cordoned = true;
};

struct arrival {
  request_ref request{};
  model_index model{};
  time_us deadline_us = 0; // Absolute, same clock as `now`.
};

// The caller does not want the answer any more. Queued: gone at once, the slot is free. Already running: accepted, the
// slot stays in use until its batch is reported.
struct cancelled {
  request_ref request{};
};

struct batch_done {
  device_index device{};
  core::batch_id batch{};
  duration_us run_us = 0; // Measured pure execution, 0 = not measured.
};

struct batch_failed { // The worker could not run it and is still alive. As for device_lost, for this batch only.
  device_index device{};
  core::batch_id batch{};
};

struct load_done { // Every shard of the set is verified on the device.
  device_index device{};
  core::load_id load{};
  uint64_t bytes_moved = 0; // Measured; 0 = not measured.
  duration_us moved_us = 0; // Measured, without waiting for a copy engine.
};

enum class load_error : uint8_t {
  failed,      // Sources gone, bytes bad: it is tried again after a back-off, also elsewhere.
  does_not_fit // The device's memory is not as it is thought to be here: damage. Something else goes, too.
};

// A batch that was to run on this load comes back to the queue by itself: do not run it, and report nothing for it.
struct load_failed {
  device_index device{};
  core::load_id load{};
  load_error error = load_error::failed;
};

struct set_evicted { // The device dropped a set that the core had not told it to drop.
  device_index device{};
  model_index model{};
};

struct timer {}; // The time asked for by set_timer has come (early or late ones do no harm).

using event = std::variant<tenant_added, model_added, model_removed, device_joined, device_lost, device_cordoned,
                           arrival, cancelled, batch_done, batch_failed, load_done, load_failed, set_evicted, timer>;

std::string_view name_of(const event& what) noexcept; // "batch_done"

// Why an event was ignored. Nothing of a rejected event has any effect; the core counts them.
enum class rejection : uint8_t {
  none,           // Accepted.
  unknown_model,  // Answer the request yourself: the core does not know it.
  unknown_device, // Never joined, or lost.
  unknown_request,
  stale,     // Reports a batch or a load that is over: lost, requeued or already reported.
  duplicate, // The slot or device is in use.
  absurd,    // Values that cannot be meant: zero or huge costs, sizes, lanes; an index beyond the limits.
  full       // More queued requests than the limit: answer the request yourself.
};
constexpr size_t rejection_count = 8;
std::string_view to_string(rejection reason) noexcept;

// -- commands ---------------------------------------------------------------------------------------------------------

enum class load_reason : uint8_t { request, prefetch, replica };
std::string_view to_string(load_reason reason) noexcept;

struct load {
  device_index device{};
  model_index model{};
  core::load_id id{};
  load_reason reason = load_reason::request;
};

struct evict {
  device_index device{};
  model_index model{};
};

struct run {
  device_index device{};
  uint32_t lane = 0; // 0 .. lanes of the device - 1
  model_index model{};
  core::batch_id id{};
  core::load_id waits_for{};     // 0: resident. Else its load is under way: run each layer as its shard is verified.
  uint32_t first = 0, count = 0; // Into commands::requests_of.
};

struct set_timer { // Replaces the earlier one: there is one timer.
  time_us at_us = 0;
};

enum class refusal : uint8_t {
  late,       // deadline_exceeded
  unservable, // No device can ever hold the model, or the model is gone: refused / not_found
  unavailable // Given up after three attempts, or no device is left and the deadline has passed
};
std::string_view to_string(refusal reason) noexcept;

struct refuse {
  request_ref request{};
  refusal reason = refusal::late;
  duration_us retry_after_us = 0; // 0: no use.
};

using command = std::variant<load, evict, run, set_timer, refuse>;

// A reused buffer: cleared by the core at the start of every `on`, filled in the order in which to carry them out.
class commands {
public:
  std::span<const command> all() const { return list_; }
  std::span<const request_ref> requests_of(const run& batch) const {
    return std::span(requests_).subspan(batch.first, batch.count);
  }
  bool empty() const { return list_.empty(); }

  void clear() {
    list_.clear();
    requests_.clear();
  }
  void add(const command& c) { list_.push_back(c); }
  void add_request(request_ref r) { requests_.push_back(r); }
  uint32_t request_count() const { return static_cast<uint32_t>(requests_.size()); }

private:
  std::vector<command> list_;
  std::vector<request_ref> requests_;
};

} // namespace fastptm::policy::scheduling
