// A transport that brings nothing until the test says so, and says what it was asked for.
#pragma once

#include <deque>
#include <string>
#include <utility>

#include "transport/fetcher.hpp"

namespace fastptm::tests {

// A test double of the transports, for one thread. No byte is touched: the checksum comes with the completion.
class manual_fetcher final : public transport::fetcher {
public:
  struct fetch_asked {
    transport::fetch_id id;
    std::string node;
    transport::fetch_request request;
    transport::fetch_done done;
  };

  core::result<transport::fetch_id> fetch(const transport::peer_address& peer, const transport::fetch_request& request,
                                          transport::fetch_done done) override {
    if (asked.size() == most) return core::fail(core::errc::busy, "too much is in flight");
    asked.push_back({{++last_id_}, peer.node, request, std::move(done)});
    return transport::fetch_id{last_id_};
  }
  void cancel(transport::fetch_id id) override {
    for (auto one = asked.begin(); one != asked.end(); ++one) {
      if (one->id != id) continue;
      const auto done = std::move(one->done);
      asked.erase(one);
      return done(core::fail(core::errc::cancelled, "cancelled"));
    }
  }
  void close_peer(std::string_view, uint64_t) override {}
  transport::path path_to(const transport::peer_address&) const override { return transport::path::loopback; }

  // The oldest one is there. Requires: something was asked for.
  void land(uint64_t checksum = 0) {
    const auto one = std::move(asked.front());
    asked.pop_front();
    one.done(transport::fetched{one.request.source.length_bytes, 1, transport::path::loopback, checksum});
  }

  std::deque<fetch_asked> asked;
  size_t most = 1000; // at a time

private:
  uint64_t last_id_ = 0;
};

} // namespace fastptm::tests
