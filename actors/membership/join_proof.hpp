// How a node shows that it knows the cluster's secret without sending it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace fastptm::actors {

// Fresh for every attempt to join.
std::string make_join_nonce();

// Binds the head's nonce to one life of one node.
std::string join_proof(const std::string& secret, std::string_view nonce, std::string_view node, uint64_t incarnation);

// In constant time.
bool is_join_proof(std::string_view proof, const std::string& secret, std::string_view nonce, std::string_view node,
                   uint64_t incarnation);

} // namespace fastptm::actors
