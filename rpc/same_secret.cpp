// OpenSSL's comparison, on the whole text as it was sent.
#include "rpc/same_secret.hpp"

#include <openssl/crypto.h>

namespace fastptm::rpc {

bool same_secret(capnp::Text::Reader sent, std::string_view expected) {
  return !expected.empty() && sent.size() == expected.size() &&
         CRYPTO_memcmp(sent.begin(), expected.data(), expected.size()) == 0;
}

} // namespace fastptm::rpc
