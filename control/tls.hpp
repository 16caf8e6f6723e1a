// TLS 1.3 over a socket that never blocks, with certificates of the cluster's authority on both sides.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "control/certificates.hpp"
#include "control/openssl_parts.hpp"

namespace fastptm::control {

// Immutable; any thread.
class tls_settings {
public:
  // invalid: credentials that OpenSSL cannot read.
  static core::result<tls_settings> create(const credentials& own);

  SSL_CTX* get() const { return context_.get(); }

private:
  using handle = std::unique_ptr<SSL_CTX, frees<SSL_CTX_free>>;
  explicit tls_settings(handle context) : context_(std::move(context)) {}

  handle context_;
};

// `ended`: the peer has closed it; `failed`: it broke, or the peer is none of the cluster.
enum class progress : uint8_t { done, wants_read, wants_write, ended, failed };

enum class side : uint8_t { accepts, connects };

// One thread at a time; the socket is the caller's and outlives it. After `ended` or `failed` it takes no more calls
// but the questions at its end.
class tls_stream {
public:
  tls_stream(const tls_settings& settings, int socket, side of);

  progress handshake();
  // At least one byte when done.
  progress read(std::span<char> into, size_t& got);
  progress write(std::span<const char> from, size_t& sent);
  // Tells the peer, if that goes without waiting.
  void say_goodbye();

  // The node that the peer's certificate names, once the handshake is done; empty: none.
  std::string peer() const;
  // Why it failed, and whether it is the peer that could not prove itself.
  const std::string& why() const { return why_; }
  bool peer_untrusted() const;

private:
  progress judge(int outcome);

  std::unique_ptr<SSL, frees<SSL_free>> ssl_;
  std::string why_;
};

} // namespace fastptm::control
