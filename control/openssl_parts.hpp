// OpenSSL's objects with owners, and what this folder reads of certificates.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

namespace fastptm::control {

template <auto Free> struct frees {
  template <class T> void operator()(T* owned) const { Free(owned); }
};
using certificate_handle = std::unique_ptr<X509, frees<X509_free>>;
using key_handle = std::unique_ptr<EVP_PKEY, frees<EVP_PKEY_free>>;

// Null: it is none.
certificate_handle read_certificate(const std::string& pem);
key_handle read_key(const std::string& pem);

std::string to_pem(X509* certificate);
std::string to_pem(EVP_PKEY* key);

// A certificate's common name that says whose it is: this, and the name of the node.
inline constexpr std::string_view node_prefix = "node:";
// Empty: of no node.
std::string node_of(X509* certificate);

// The newest complaint of this thread as text; forgets all of them.
std::string last_complaint();

} // namespace fastptm::control
