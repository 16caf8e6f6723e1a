// What a gateway needs to speak TLS.
#pragma once

#include <string>

#include <kj/compat/tls.h>
#include <kj/memory.h>

#include "core/error.hpp"

namespace fastptm::rpc {

// PEM texts: the certificate and those between it and its authority, and its key without a passphrase.
struct tls_identity {
  std::string certificates;
  std::string key;
};

// invalid: the texts are none, or the key is another certificate's.
core::result<kj::Own<kj::TlsContext>> make_tls(const tls_identity& identity);

} // namespace fastptm::rpc
