// Which tokens let which tenant in, now.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <capnp/blob.h>
#include <kj/async.h>
#include <kj/timer.h>

#include "core/clock.hpp"
#include "core/error.hpp"

namespace fastptm::rpc {

struct tenant_token {
  std::string tenant;
  std::string secret;
  std::optional<core::duration_us> left_us; // that it is still good for; nothing: until it is taken back
};

// All that are good; asked anew when an operator has changed them. Reads files, on another thread than its caller's.
using token_reader = std::function<core::result<std::vector<tenant_token>>()>;

// Lives on the KJ thread.
class token_book {
public:
  token_book(kj::Timer& timer, std::vector<tenant_token> good) : timer_(timer) { replace(std::move(good)); }

  // A token keeps its number for as long as it is good, and no other gets it.
  struct entry {
    tenant_token token;
    uint64_t number = 0;
  };
  // Null: a stranger. In constant time for each token; every byte counts, zeros too.
  const entry* find(capnp::Text::Reader sent) const;

  // Those that are not in it any more are forgotten.
  void replace(std::vector<tenant_token> good);

  // Gets the numbers of forgotten tokens.
  void on_forgotten(std::function<void(uint64_t)> listener) { listener_ = std::move(listener); }

private:
  entry known_or_new(tenant_token token);
  kj::Promise<void> forget_at_its_end(uint64_t number, core::duration_us left_us);
  void forget(uint64_t number);

  kj::Timer& timer_;
  std::function<void(uint64_t)> listener_ = [](uint64_t) {};
  std::vector<entry> good_;
  uint64_t last_number_ = 0;
  std::vector<kj::Promise<void>> ends_; // of tokens with a time; last: they use everything above
};

} // namespace fastptm::rpc
