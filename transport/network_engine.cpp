// A vector behind a mutex between those who ask and the pump.
#include "transport/network_engine.hpp"

#include <fmt/format.h>

#include "core/check.hpp"
#include "transport/peer_memory.hpp"

namespace fastptm::transport {

namespace {

template <class... Fs> struct overloaded : Fs... { using Fs::operator()...; };

} // namespace

void memory_reading::start(uint64_t id, int64_t pid, uint64_t address, const fetch_request& request) const {
  pool->submit([id, pid, address, target = request.target.address, length = request.source.length_bytes, with = fill,
                tell = report] {
    const auto piece = [=](uint64_t offset, uint64_t bytes) {
      return read_peer(pid, address + offset, target + offset, bytes);
    };
    if (!with) return tell(id, piece(0, length), std::nullopt);
    const auto checksum = with(target, length, read_piece_bytes, piece);
    tell(id, checksum.has_value(), checksum);
  });
}

core::result<fetch_id> network_engine::fetch(const peer_address& peer, const fetch_request& request, fetch_done done) {
  core::check(request.timeout_us > 0, "a fetch has a deadline");
  core::check(request.target.size_bytes >= request.source.length_bytes, "the target holds what is fetched");
  if (outstanding_.fetch_add(1) >= fetches_in_flight_) {
    outstanding_.fetch_sub(1);
    return core::fail(core::errc::busy, fmt::format("{} fetches are in flight", fetches_in_flight_));
  }
  const fetch_id id{++last_fetch_};
  auto counted = [this, done = std::move(done)](core::result<fetched> result) {
    outstanding_.fetch_sub(1);
    done(std::move(result));
  };
  post(wanted_fetch{id, peer, request, clock_.now_us(), std::move(counted)});
  return id;
}

path network_engine::path_to(const peer_address& peer) const {
  core::mutex_lock lock(mutex_);
  if (const auto found = paths_.find(peer.node); found != paths_.end()) return found->second;
  return may_read_memory_ && !peer.boot_id.empty() && peer.boot_id == boot_id_ ? path::cma : path::tcp;
}

void network_engine::note_path(const std::string& node, path way) {
  core::mutex_lock lock(mutex_);
  paths_[node] = way;
}

void network_engine::post(command what) {
  // Woken before the mutex is let go: whoever ends the engine takes it first, to carry out what was posted last.
  core::mutex_lock lock(mutex_);
  posted_.push_back(std::move(what));
  has_posted_.store(true, std::memory_order_release);
  pump_.wake();
}

bool network_engine::carry_out_posted() {
  if (!has_posted()) return false;
  {
    core::mutex_lock lock(mutex_);
    taken_.swap(posted_);
    has_posted_.store(false, std::memory_order_relaxed);
  }
  for (auto& what : taken_) carry_out(what);
  taken_.clear();
  return true;
}

void network_engine::carry_out(command& what) {
  std::visit(overloaded{[this](wanted_fetch& fetch) { begin(std::move(fetch)); },
                        [this](cancel_command& cancel) { give_up(cancel.id); },
                        [this](close_command& close) { leave(close.node, close.incarnation); },
                        [this](read_command& read) { on_read(read.id, read.complete, read.checksum); }},
             what);
}

memory_reading network_engine::reading(copy_pool* pool, checksummed_fill fill) {
  return {pool, fill, [this](uint64_t id, bool complete, std::optional<uint64_t> checksum) {
            post(read_command{id, complete, checksum});
          }};
}

void network_engine::start_pump(uint16_t port, const std::string& thread_name,
                                const std::function<void()>& on_thread_start) {
  port_ = port;
  pump_.start(thread_name, on_thread_start);
}

void network_engine::stop_pump() {
  pump_.stop();
  carry_out_posted();
}

} // namespace fastptm::transport
