// KJ's defaults: TLS 1.2 at least.
#include "rpc/tls.hpp"

#include <memory>

#include <fmt/format.h>
#include <kj/debug.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

namespace fastptm::rpc {

namespace {

template <auto release> struct releaser {
  template <class T> void operator()(T* what) const { release(what); }
};
template <class T, auto release> using owned = std::unique_ptr<T, releaser<release>>;

owned<BIO, BIO_free> reading(const std::string& text) {
  return owned<BIO, BIO_free>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// The library takes a key that is another certificate's without a word, and then no handshake succeeds.
bool belong_together(const tls_identity& identity) {
  const owned<X509, X509_free> first(
      PEM_read_bio_X509(reading(identity.certificates).get(), nullptr, nullptr, nullptr));
  const owned<EVP_PKEY, EVP_PKEY_free> key(
      PEM_read_bio_PrivateKey(reading(identity.key).get(), nullptr, nullptr, nullptr));
  const bool good = first != nullptr && key != nullptr && X509_check_private_key(first.get(), key.get()) == 1;
  ERR_clear_error(); // what it says would be told of a connection
  return good;
}

} // namespace

core::result<kj::Own<kj::TlsContext>> make_tls(const tls_identity& identity) {
  if (!belong_together(identity)) {
    return core::fail(core::errc::invalid, "tlsCertificate and tlsKey are no certificate and its key: give PEM files "
                                           "that belong together, the key without a passphrase");
  }
  core::result<kj::Own<kj::TlsContext>> out;
  const auto trouble = kj::runCatchingExceptions([&] {
    const kj::TlsKeypair pair{kj::TlsPrivateKey(kj::StringPtr(identity.key.c_str())),
                              kj::TlsCertificate(kj::StringPtr(identity.certificates.c_str()))};
    kj::TlsContext::Options options;
    options.useSystemTrustStore = false; // no client shows a certificate
    options.defaultKeypair = pair;
    out = kj::heap<kj::TlsContext>(kj::mv(options));
  });
  KJ_IF_MAYBE (exception, trouble) {
    return core::fail(core::errc::invalid,
                      fmt::format("tlsCertificate or tlsKey cannot be used, give other PEM files: {}",
                                  exception->getDescription().cStr()));
  }
  return out;
}

} // namespace fastptm::rpc
