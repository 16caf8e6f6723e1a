// What every backend over a network has: fetches come from any thread and are carried out on its one pump.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "core/clock.hpp"
#include "core/mutex.hpp"
#include "transport/copy_pool.hpp"
#include "transport/fetcher.hpp"
#include "transport/pump.hpp"

namespace fastptm::transport {

struct wanted_fetch {
  fetch_id id;
  peer_address peer;
  fetch_request request;
  core::time_us called_us = 0;
  fetch_done done;
};

// What reading a peer's memory needs: threads to do it on and a way back to the pump.
struct memory_reading {
  copy_pool* pool = nullptr;       // null: this backend's own way, if it has one
  checksummed_fill fill = nullptr; // null: results come without a checksum
  // Any thread: has the pump call on_read().
  std::function<void(uint64_t id, bool complete, std::optional<uint64_t> checksum)> report;

  // Has a thread of the pool read what `request` wants from that address of that process.
  void start(uint64_t id, int64_t pid, uint64_t address, const fetch_request& request) const;
};

class network_engine : public pumped {
public:
  network_engine(uint32_t fetches_in_flight, bool may_read_memory)
      : fetches_in_flight_(fetches_in_flight), may_read_memory_(may_read_memory) {}

  // -- any thread, as fetcher says ------------------------------------------------------------------------------------
  core::result<fetch_id> fetch(const peer_address& peer, const fetch_request& request, fetch_done done);
  void cancel(fetch_id id) { post(cancel_command{id}); }
  void close_peer(std::string_view node, uint64_t incarnation) { post(close_command{std::string(node), incarnation}); }
  path path_to(const peer_address& peer) const;

  uint16_t port() const { return port_; }

protected:
  // -- the pump's -----------------------------------------------------------------------------------------------------
  virtual void begin(wanted_fetch what) = 0;
  virtual void give_up(fetch_id id) = 0;
  virtual void leave(const std::string& node, uint64_t incarnation) = 0;
  virtual void on_read(uint64_t id, bool complete, std::optional<uint64_t> checksum) = 0;

  // True: there was something.
  bool carry_out_posted();
  bool has_posted() const { return has_posted_.load(std::memory_order_acquire); }

  // -- while it is made and ended -------------------------------------------------------------------------------------
  memory_reading reading(copy_pool* pool, checksummed_fill fill);
  void start_pump(uint16_t port, const std::string& thread_name, const std::function<void()>& on_thread_start);
  // First in the destructor of whoever is driven. What was accepted before is carried out here.
  void stop_pump();

  // What connected peers' bytes travel by.
  void note_path(const std::string& node, path way);

private:
  struct cancel_command {
    fetch_id id;
  };
  struct close_command {
    std::string node;
    uint64_t incarnation = 0;
  };
  struct read_command {
    uint64_t id;
    bool complete;
    std::optional<uint64_t> checksum;
  };
  using command = std::variant<wanted_fetch, cancel_command, close_command, read_command>;

  void post(command what);
  void carry_out(command& what);

  const uint32_t fetches_in_flight_;
  const bool may_read_memory_;
  const std::string boot_id_ = this_boot_id();
  uint16_t port_ = 0;
  core::monotonic_clock clock_;
  std::atomic<uint64_t> last_fetch_{0};
  std::atomic<uint32_t> outstanding_{0};

  // What other threads hand to the pump, and the paths it tells them.
  mutable core::mutex mutex_;
  std::vector<command> posted_ FASTPTM_GUARDED_BY(mutex_);
  std::unordered_map<std::string, path> paths_ FASTPTM_GUARDED_BY(mutex_);
  std::atomic<bool> has_posted_{false};

  std::vector<command> taken_; // the pump's
  // There for as long as threads may post: while they do, it starts and stops.
  pump pump_{*this};
};

} // namespace fastptm::transport
