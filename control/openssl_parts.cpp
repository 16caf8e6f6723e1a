// PEM in memory, names and complaints.
#include "control/openssl_parts.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "core/check.hpp"

namespace fastptm::control {

namespace {

using bio_handle = std::unique_ptr<BIO, frees<BIO_free_all>>;

bio_handle reader_of(const std::string& pem) {
  return bio_handle(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

std::string text_in(BIO* memory) {
  char* text = nullptr;
  const auto size = BIO_get_mem_data(memory, &text);
  return {text, static_cast<size_t>(size)};
}

// A key behind a password would ask on the terminal.
int no_password(char*, int, int, void*) {
  return -1;
}

} // namespace

certificate_handle read_certificate(const std::string& pem) {
  certificate_handle found(PEM_read_bio_X509(reader_of(pem).get(), nullptr, no_password, nullptr));
  ERR_clear_error();
  return found;
}

key_handle read_key(const std::string& pem) {
  key_handle found(PEM_read_bio_PrivateKey(reader_of(pem).get(), nullptr, no_password, nullptr));
  ERR_clear_error();
  return found;
}

std::string to_pem(X509* certificate) {
  const bio_handle memory(BIO_new(BIO_s_mem()));
  core::check(PEM_write_bio_X509(memory.get(), certificate) == 1, "a certificate can be written into memory");
  return text_in(memory.get());
}

std::string to_pem(EVP_PKEY* key) {
  const bio_handle memory(BIO_new(BIO_s_mem()));
  core::check(PEM_write_bio_PKCS8PrivateKey(memory.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1,
              "a key can be written into memory");
  return text_in(memory.get());
}

std::string node_of(X509* certificate) {
  char text[256] = {};
  const int size = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, text, sizeof text);
  const std::string_view name(text, size > 0 ? static_cast<size_t>(size) : 0);
  return name.starts_with(node_prefix) ? std::string(name.substr(node_prefix.size())) : std::string();
}

std::string last_complaint() {
  const auto code = ERR_peek_last_error();
  ERR_clear_error();
  const char* text = code == 0 ? nullptr : ERR_reason_error_string(code);
  return text == nullptr ? "the connection broke" : text;
}

} // namespace fastptm::control
