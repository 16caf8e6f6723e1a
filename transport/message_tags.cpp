// HMAC of OpenSSL.
#include "transport/message_tags.hpp"

#include <algorithm>
#include <cstring>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "core/check.hpp"

namespace fastptm::transport {

tag message_tags::next(std::span<const std::byte> bytes) {
  std::array<unsigned char, 128> text;
  constexpr size_t in_front = 1 + sizeof count_;
  core::check(in_front + bytes.size() <= text.size(), "a message with a tag is small");
  text[0] = static_cast<unsigned char>(way_);
  std::memcpy(text.data() + 1, &count_, sizeof count_);
  std::memcpy(text.data() + in_front, bytes.data(), bytes.size());
  ++count_;
  proof whole;
  unsigned size = 0;
  const auto* done = HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()), text.data(),
                          in_front + bytes.size(), whole.data(), &size);
  core::check(done && size == whole.size(), "HMAC-SHA256 is available");
  tag out;
  std::copy_n(whole.begin(), out.size(), out.begin());
  return out;
}

bool message_tags::is_next(std::span<const std::byte> bytes, const tag& given) {
  const auto expected = next(bytes);
  return CRYPTO_memcmp(expected.data(), given.data(), given.size()) == 0;
}

} // namespace fastptm::transport
