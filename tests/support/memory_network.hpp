// A transport between nodes of one process whose sources can be dead or lie; fetches complete on a thread of its own.
#pragma once

#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <thread>

#include "core/mutex.hpp"
#include "transport/fetcher.hpp"

namespace fastptm::tests {

// A test double of the transports; any thread. The exporters outlive it.
class memory_network final : public transport::fetcher {
public:
  memory_network() : thread_([this] { run(); }) {}
  ~memory_network() override {
    {
      const core::mutex_lock lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  void add_node(const std::string& name, transport::exporter* exports) {
    const core::mutex_lock lock(mutex_);
    nodes_[name] = exports;
  }
  void kill(const std::string& name) {
    const core::mutex_lock lock(mutex_);
    dead_.insert(name);
  }
  void corrupt(const std::string& name) {
    const core::mutex_lock lock(mutex_);
    lying_.insert(name);
  }
  void heal() {
    const core::mutex_lock lock(mutex_);
    dead_.clear();
    lying_.clear();
  }

  core::result<transport::fetch_id> fetch(const transport::peer_address& peer, const transport::fetch_request& request,
                                          transport::fetch_done done) override {
    const core::mutex_lock lock(mutex_);
    work_.push_back([=, this, done = std::move(done)] { done(deliver(peer.node, request)); });
    changed_.notify_all();
    return transport::fetch_id{++last_id_};
  }
  void cancel(transport::fetch_id) override {} // everything completes soon
  void close_peer(std::string_view, uint64_t) override {}
  transport::path path_to(const transport::peer_address&) const override { return transport::path::loopback; }

private:
  core::result<transport::fetched> deliver(const std::string& node, const transport::fetch_request& request) {
    transport::exporter* exports = nullptr;
    bool lies = false;
    {
      const core::mutex_lock lock(mutex_);
      if (!nodes_.contains(node) || dead_.contains(node)) return core::fail(core::errc::unavailable, node + " is dead");
      exports = nodes_.at(node);
      lies = lying_.contains(node);
    }
    const auto bytes = exports->pin(request.source);
    if (!bytes) return core::fail(bytes.error());
    std::memcpy(request.target.address, bytes->address, bytes->size_bytes);
    if (lies) request.target.address[0] ^= std::byte{1};
    exports->unpin(request.source);
    return transport::fetched{bytes->size_bytes, 1, transport::path::loopback, std::nullopt};
  }

  void run() {
    core::mutex_lock lock(mutex_);
    while (true) {
      while (!stopping_ && work_.empty()) changed_.wait(lock);
      if (work_.empty()) return;
      const auto next = std::move(work_.front());
      work_.pop_front();
      lock.unlock();
      next();
      lock.lock();
    }
  }

  core::mutex mutex_;
  core::condition changed_;
  std::map<std::string, transport::exporter*> nodes_ FASTPTM_GUARDED_BY(mutex_);
  std::set<std::string> dead_ FASTPTM_GUARDED_BY(mutex_);
  std::set<std::string> lying_ FASTPTM_GUARDED_BY(mutex_);
  std::deque<std::function<void()>> work_ FASTPTM_GUARDED_BY(mutex_);
  uint64_t last_id_ FASTPTM_GUARDED_BY(mutex_) = 0;
  bool stopping_ FASTPTM_GUARDED_BY(mutex_) = false;
  std::thread thread_; // last: starts when the rest is there
};

} // namespace fastptm::tests
