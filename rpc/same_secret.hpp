// Compares a token that a stranger sent with the one that is expected.
#pragma once

#include <capnp/blob.h>

#include <string_view>

namespace fastptm::rpc {

// In constant time for a given length; every byte counts, zeros too. Never true for an empty expectation. Any thread.
bool same_secret(capnp::Text::Reader sent, std::string_view expected);

} // namespace fastptm::rpc
