// A transport between nodes of one process whose sources can be dead or lie; fetches complete on a thread of its own.
#pragma once

#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "transport/fetcher.hpp"

namespace fastptm::tests {

// A test double of the transports; any thread. The exporters outlive it.
class memory_network final : public transport::fetcher {
public:
  memory_network() : thread_([this] { run(); }) {}
  ~memory_network() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  void add_node(const std::string& name, transport::exporter* exports) {
    const std::lock_guard lock(mutex_);
    nodes_[name] = exports;
  }
  void kill(const std::string& name) {
    change([&] { dead_.insert(name); });
  }
  void corrupt(const std::string& name) {
    change([&] { lying_.insert(name); });
  }
  void heal() {
    change([&] {
      dead_.clear();
      lying_.clear();
    });
  }

  core::result<transport::fetch_id> fetch(const transport::peer_address& peer, const transport::fetch_request& request,
                                          transport::fetch_done done) override {
    const std::lock_guard lock(mutex_);
    work_.push_back([=, this, done = std::move(done)] { done(deliver(peer.node, request)); });
    changed_.notify_all();
    return transport::fetch_id{++last_id_};
  }
  void cancel(transport::fetch_id) override {} // everything completes soon
  void close_peer(std::string_view) override {}
  transport::path path_to(const transport::peer_address&) const override { return transport::path::loopback; }

private:
  template <class F> void change(F how) {
    const std::lock_guard lock(mutex_);
    how();
  }

  core::result<transport::fetched> deliver(const std::string& node, const transport::fetch_request& request) {
    transport::exporter* exports = nullptr;
    bool lies = false;
    {
      const std::lock_guard lock(mutex_);
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
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return stopping_ || !work_.empty(); });
      if (work_.empty()) return;
      const auto next = std::move(work_.front());
      work_.pop_front();
      lock.unlock();
      next();
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, transport::exporter*> nodes_;
  std::set<std::string> dead_, lying_;
  std::deque<std::function<void()>> work_;
  uint64_t last_id_ = 0;
  bool stopping_ = false;
  std::thread thread_; // last: starts when the rest is there
};

} // namespace fastptm::tests
