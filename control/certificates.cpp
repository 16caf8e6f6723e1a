// X.509 version 3 with keys on the curve P-256, as OpenSSL makes them.
#include "control/certificates.hpp"

#include <chrono>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "control/openssl_parts.hpp"
#include "core/check.hpp"
#include "core/random.hpp"

namespace fastptm::control {

namespace {

constexpr int64_t day_s = 24 * 60 * 60;
constexpr std::string_view authority_name = "authority";

key_handle make_key() {
  key_handle made(EVP_EC_gen("P-256"));
  core::check(made != nullptr, "OpenSSL makes keys on P-256");
  return made;
}

void name(X509* certificate, std::string_view common_name) {
  auto* subject = X509_get_subject_name(certificate);
  const auto add = [&](const char* field, std::string_view value) {
    core::check(X509_NAME_add_entry_by_txt(subject, field, MBSTRING_UTF8,
                                           reinterpret_cast<const unsigned char*>(value.data()),
                                           static_cast<int>(value.size()), -1, 0) == 1,
                "a name fits into a certificate");
  };
  add("O", "FastPTM cluster");
  add("CN", common_name);
}

void extend(X509* certificate, X509* issuer, int what, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* made = X509V3_EXT_conf_nid(nullptr, &context, what, value);
  core::check(made != nullptr && X509_add_ext(certificate, made, -1) == 1, "a certificate takes its extensions");
  X509_EXTENSION_free(made);
}

// Without extensions and signature.
certificate_handle begin(std::string_view common_name, EVP_PKEY* key, const lifetime& of) {
  certificate_handle made(X509_new());
  core::check(made != nullptr, "memory for a certificate");
  X509_set_version(made.get(), X509_VERSION_3);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(made.get()), core::true_random_u64() >> 1);
  ASN1_TIME_set(X509_getm_notBefore(made.get()), of.from_s);
  ASN1_TIME_set(X509_getm_notAfter(made.get()), of.to_s);
  name(made.get(), common_name);
  core::check(X509_set_pubkey(made.get(), key) == 1, "a certificate takes its key");
  return made;
}

void sign(X509* certificate, X509* issuer, EVP_PKEY* key) {
  core::check(X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1, "a certificate takes its issuer");
  extend(certificate, issuer, NID_subject_key_identifier, "hash");
  extend(certificate, issuer, NID_authority_key_identifier, "keyid");
  core::check(X509_sign(certificate, key, EVP_sha256()) > 0, "OpenSSL signs with P-256");
}

std::string chain_fault(X509* certificate, X509* root, int64_t now_s) {
  const std::unique_ptr<X509_STORE, frees<X509_STORE_free>> trusted(X509_STORE_new());
  const std::unique_ptr<X509_STORE_CTX, frees<X509_STORE_CTX_free>> context(X509_STORE_CTX_new());
  core::check(trusted && context && X509_STORE_add_cert(trusted.get(), root) == 1 &&
                  X509_STORE_CTX_init(context.get(), trusted.get(), certificate, nullptr) == 1,
              "memory to check a certificate");
  X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(context.get()), now_s);
  const bool good = X509_verify_cert(context.get()) == 1;
  ERR_clear_error();
  return good ? "" : X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()));
}

core::result<void> wrong(std::string what) {
  return core::fail(core::errc::invalid, std::move(what));
}

} // namespace

int64_t wall_clock_s() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

lifetime ten_years_from(int64_t now_s) {
  return {now_s - day_s, now_s + 3652 * day_s};
}

authority make_authority(const lifetime& of) {
  const auto key = make_key();
  const auto made = begin(authority_name, key.get(), of);
  extend(made.get(), made.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
  extend(made.get(), made.get(), NID_key_usage, "critical,keyCertSign");
  sign(made.get(), made.get(), key.get());
  return {to_pem(made.get()), to_pem(key.get())};
}

core::result<credentials> issue(const authority& by, std::string_view node, const lifetime& of) {
  const auto issuer = read_certificate(by.certificate);
  const auto issuer_key = read_key(by.key);
  if (!issuer || !issuer_key)
    return core::fail(core::errc::invalid, "the authority's certificate or key is damaged: restore them from a backup");
  if (X509_check_private_key(issuer.get(), issuer_key.get()) != 1) {
    ERR_clear_error();
    return core::fail(core::errc::invalid, "the authority's key does not belong to its certificate: remove the key "
                                           "where nodes have credentials from another machine");
  }
  const auto key = make_key();
  const auto made = begin(std::string(node_prefix) + std::string(node), key.get(), of);
  extend(made.get(), issuer.get(), NID_basic_constraints, "critical,CA:FALSE");
  extend(made.get(), issuer.get(), NID_key_usage, "critical,digitalSignature");
  extend(made.get(), issuer.get(), NID_ext_key_usage, "clientAuth,serverAuth");
  sign(made.get(), issuer.get(), issuer_key.get());
  return credentials{by.certificate, to_pem(made.get()), to_pem(key.get())};
}

core::result<void> check(const credentials& of, std::string_view node, int64_t now_s) {
  const auto root = read_certificate(of.authority), own = read_certificate(of.certificate);
  const auto key = read_key(of.key);
  if (!root) return wrong("the authority's certificate is damaged");
  if (!own || !key) return wrong("the certificate or its key is damaged");
  if (node_of(own.get()) != node) return wrong(fmt::format("the certificate is that of node '{}'", node_of(own.get())));
  if (const auto fault = chain_fault(own.get(), root.get(), now_s); !fault.empty())
    return wrong(fmt::format("the certificate does not hold: {}", fault));
  if (X509_check_private_key(own.get(), key.get()) != 1) {
    ERR_clear_error();
    return wrong("the key does not belong to the certificate");
  }
  return {};
}

} // namespace fastptm::control
