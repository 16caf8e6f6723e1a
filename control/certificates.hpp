// The cluster's own certificate authority, and the certificates that it gives to nodes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/error.hpp"

namespace fastptm::control {

// PEM, as in files. Whoever has the key makes nodes of this cluster.
struct authority {
  std::string certificate;
  std::string key;
};

// What a node shows and what it holds others against; PEM.
struct credentials {
  std::string authority; // the certificate only
  std::string certificate;
  std::string key;
};

// Seconds since 1970, as in certificates.
struct lifetime {
  int64_t from_s = 0;
  int64_t to_s = 0;
};

int64_t wall_clock_s();

// From a day before, since clocks of machines differ, for ten years: renewing is rare and by hand.
lifetime ten_years_from(int64_t now_s);

// With a new key.
authority make_authority(const lifetime& of);

// With a new key. invalid: the authority's certificate or key cannot be read, or they do not belong together.
core::result<credentials> issue(const authority& by, std::string_view node, const lifetime& of);

// Whether they are this node's at that time, signed by their authority, and with the key that belongs to them: a text
// that says what is wrong. Any thread.
core::result<void> check(const credentials& of, std::string_view node, int64_t now_s);

} // namespace fastptm::control
