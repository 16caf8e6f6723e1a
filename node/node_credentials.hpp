// Credentials of nodes in a state folder: found, made where the authority's key is, written for other machines.
#pragma once

#include <filesystem>
#include <string_view>

#include "control/certificates.hpp"
#include "node/state_folder.hpp"

namespace fastptm::node {

// DIR/authority.pem          the authority's certificate
// DIR/authority.key          its key, on the machine where the cluster began, and only there
// DIR/credentials/NODE.pem   a node's certificate and key

// Those that are there, or new ones where the authority's key is and none hold. The error says what is missing or wrong,
// and where credentials come from.
core::result<control::credentials> credentials_of(const state_folder& folder, std::string_view node);

// Makes a state folder for the machine of that node: with its credentials and the cluster's secret, without the
// authority's key. Called again for a second node of that machine, it adds that one's. invalid: `out` is something else.
core::result<void> write_credentials(const state_folder& from, std::string_view node, const std::filesystem::path& out);

} // namespace fastptm::node
