// Joins use the same HMAC as the data plane's handshakes, under a role of their own.
#include "actors/membership/join_proof.hpp"

#include <algorithm>

#include "transport/cluster_secret.hpp"

namespace fastptm::actors {

namespace {

transport::nonce to_nonce(std::string_view text) {
  transport::nonce bytes{};
  std::copy_n(text.begin(), std::min(text.size(), bytes.size()), bytes.begin());
  return bytes;
}

transport::proof prove(const std::string& secret, std::string_view nonce, std::string_view node, uint64_t incarnation) {
  const auto bytes = to_nonce(nonce);
  return transport::cluster_secret(secret).prove("join " + std::string(node), bytes, bytes, incarnation);
}

} // namespace

std::string make_join_nonce() {
  const auto bytes = transport::make_nonce();
  return {bytes.begin(), bytes.end()};
}

std::string join_proof(const std::string& secret, std::string_view nonce, std::string_view node, uint64_t incarnation) {
  const auto bytes = prove(secret, nonce, node, incarnation);
  return {bytes.begin(), bytes.end()};
}

bool is_join_proof(std::string_view proof, const std::string& secret, std::string_view nonce, std::string_view node,
                   uint64_t incarnation) {
  transport::proof given{};
  if (proof.size() != given.size()) return false;
  std::copy(proof.begin(), proof.end(), given.begin());
  return transport::equal(given, prove(secret, nonce, node, incarnation));
}

} // namespace fastptm::actors
