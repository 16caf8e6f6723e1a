// Proof that a peer belongs to the cluster: HMAC-SHA256 over fresh nonces, so the secret itself never travels.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace fastptm::transport {

using nonce = std::array<uint8_t, 16>;
using proof = std::array<uint8_t, 32>;

nonce make_nonce();

// Immutable; any thread.
class cluster_secret {
public:
  explicit cluster_secret(std::string secret) : secret_(std::move(secret)) {}

  // `role` keeps one side's proof from being played back as the other's; `context` binds it to this conversation.
  proof prove(std::string_view role, const nonce& asker, const nonce& answerer, uint64_t context) const;

private:
  std::string secret_;
};

// In constant time.
bool equal(const proof& left, const proof& right);

} // namespace fastptm::transport
