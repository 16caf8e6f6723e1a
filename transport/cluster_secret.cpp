// HMAC and nonces from OpenSSL and the kernel.
#include "transport/cluster_secret.hpp"

#include <cstring>
#include <vector>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "core/check.hpp"
#include "core/random.hpp"

namespace fastptm::transport {

nonce make_nonce() {
  nonce made;
  for (size_t i = 0; i < made.size(); i += sizeof(uint64_t)) {
    const auto random = core::true_random_u64();
    std::memcpy(made.data() + i, &random, sizeof random);
  }
  return made;
}

proof cluster_secret::prove(std::string_view role, const nonce& asker, const nonce& answerer, uint64_t context) const {
  std::vector<uint8_t> text(role.begin(), role.end());
  text.push_back(0);
  text.insert(text.end(), asker.begin(), asker.end());
  text.insert(text.end(), answerer.begin(), answerer.end());
  for (int shift = 0; shift < 64; shift += 8) text.push_back(static_cast<uint8_t>(context >> shift));
  proof made;
  unsigned size = 0;
  const auto* done = HMAC(EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()), text.data(), text.size(),
                          made.data(), &size);
  core::check(done && size == made.size(), "HMAC-SHA256 is available");
  return made;
}

bool equal(const proof& left, const proof& right) {
  return CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

} // namespace fastptm::transport
