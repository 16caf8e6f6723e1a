// Both sides prove themselves, nothing older than TLS 1.3, no session outlives its connection.
#include "control/tls.hpp"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include "core/check.hpp"

namespace fastptm::control {

namespace {

// A node's certificate is about 700 bytes; of a stranger's no more is read than this.
constexpr long longest_chain_bytes = 8 << 10;

bool configure(SSL_CTX* context, X509* own, EVP_PKEY* key, X509* root) {
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_verify_depth(context, 1);
  SSL_CTX_set_max_cert_list(context, longest_chain_bytes);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context,
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context, 1);
  return SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 && SSL_CTX_set_num_tickets(context, 0) == 1 &&
         SSL_CTX_use_certificate(context, own) == 1 && SSL_CTX_use_PrivateKey(context, key) == 1 &&
         X509_STORE_add_cert(SSL_CTX_get_cert_store(context), root) == 1;
}

} // namespace

core::result<tls_settings> tls_settings::create(const credentials& own) {
  const auto root = read_certificate(own.authority), certificate = read_certificate(own.certificate);
  const auto key = read_key(own.key);
  handle context(SSL_CTX_new(TLS_method()));
  if (!root || !certificate || !key || !context || !configure(context.get(), certificate.get(), key.get(), root.get()))
    return core::fail(core::errc::invalid, "credentials of this node: " + last_complaint());
  return tls_settings(std::move(context));
}

tls_stream::tls_stream(const tls_settings& settings, int socket, side of) : ssl_(SSL_new(settings.get())) {
  core::check(ssl_ != nullptr && SSL_set_fd(ssl_.get(), socket) == 1, "memory for a TLS connection");
  of == side::accepts ? SSL_set_accept_state(ssl_.get()) : SSL_set_connect_state(ssl_.get());
}

progress tls_stream::judge(int outcome) {
  switch (SSL_get_error(ssl_.get(), outcome)) {
    case SSL_ERROR_NONE:
      return progress::done;
    case SSL_ERROR_WANT_READ:
      return progress::wants_read;
    case SSL_ERROR_WANT_WRITE:
      return progress::wants_write;
    case SSL_ERROR_ZERO_RETURN:
      return progress::ended;
    default:
      why_ = peer_untrusted() ? X509_verify_cert_error_string(SSL_get_verify_result(ssl_.get())) : last_complaint();
      ERR_clear_error();
      return progress::failed;
  }
}

progress tls_stream::handshake() {
  ERR_clear_error(); // of another connection of this thread
  return judge(SSL_do_handshake(ssl_.get()));
}

progress tls_stream::read(std::span<char> into, size_t& got) {
  ERR_clear_error();
  return judge(SSL_read_ex(ssl_.get(), into.data(), into.size(), &got));
}

progress tls_stream::write(std::span<const char> from, size_t& sent) {
  ERR_clear_error();
  return judge(SSL_write_ex(ssl_.get(), from.data(), from.size(), &sent));
}

void tls_stream::say_goodbye() {
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

std::string tls_stream::peer() const {
  auto* shown = SSL_get0_peer_certificate(ssl_.get());
  return shown == nullptr ? std::string() : node_of(shown);
}

bool tls_stream::peer_untrusted() const {
  return SSL_get_verify_result(ssl_.get()) != X509_V_OK;
}

} // namespace fastptm::control
