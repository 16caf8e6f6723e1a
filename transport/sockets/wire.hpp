// The protocol between two nodes' socket backends: messages of fixed size on one TCP connection, payloads behind them.
//
//   asker                          source
//   hello{nonce, name}    ->
//                         <-  challenge{nonce, proof}    or challenge{error}, and the end
//   answer{proof}         ->                             both sides have proven the cluster secret
//                         <-  welcome{pid, address}
//   fetch{id, range}      ->                             any number; answered in their order
//                         <-  data{id} + payload         or data{id, error} without payload
//   cancel{id}            ->                             nothing is owed any more for what still waits
//
// An asker that has seen that the kernel lets it read the source's memory (cma) asks to read for itself:
//
//   fetch_by_reading{..}  ->                             the source pins the range
//                         <-  granted{id, address}
//   release{id}           ->                             the asker has read it
//
// From the welcome on every message carries a tag (message_tags.hpp). Little-endian. The first eight bytes of a hello
// stay as they are in every version.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "transport/cluster_secret.hpp"
#include "transport/exporter.hpp"
#include "transport/message_tags.hpp"

namespace fastptm::transport::sockets::wire {

inline constexpr uint32_t magic = 0x4d545046; // "FPTM"
inline constexpr uint32_t version = 2;
inline constexpr size_t name_bytes = 32; // the longest name of a node

struct hello {
  uint32_t magic = wire::magic;
  uint32_t version = wire::version;
  uint64_t incarnation = 0; // of the source, as the asker knows it
  nonce asker{};
  std::array<char, name_bytes> name{}; // the asker's; behind it zeros
};

struct challenge {
  uint64_t error = 0;   // core::errc, 0 = the rest stands
  uint64_t session = 0; // never given twice by a source
  nonce source{};
  proof proven{};
};

struct answer {
  proof proven{};
};

enum class kind : uint32_t {
  welcome = 1,
  fetch = 2,
  fetch_by_reading = 3,
  data = 4,
  granted = 5,
  release = 6,
  cancel = 7
};

struct message {
  wire::kind kind{};
  uint32_t error = 0;   // core::errc; of data and granted
  uint64_t id = 0;      // of the fetch, given by the asker; of a welcome: the source's pid
  remote_range range{}; // of a fetch; of data: as many bytes follow as its length says
  // Where the asker may read, until it releases. Of a welcome: one read of 8 bytes there shows whether the kernel lets
  // the asker read this process, for the session's number lies there.
  uint64_t address = 0;
  tag sealed{}; // of everything above
};

template <class Message> constexpr bool is_plain = std::is_trivially_copyable_v<Message>;
static_assert(is_plain<hello> && sizeof(hello) == 64);
static_assert(is_plain<challenge> && sizeof(challenge) == 64);
static_assert(is_plain<answer> && sizeof(answer) == 32);
static_assert(is_plain<message> && sizeof(message) == 72);

inline std::span<const std::byte> sealed_part(const message& of) {
  return std::as_bytes(std::span(&of, 1)).first(offsetof(message, sealed));
}

// What both proofs of a conversation are bound to, beside its nonces.
std::string asker_role(std::string_view name);
inline constexpr std::string_view source_role = "source of sockets";
inline constexpr std::string_view session_role = "session of sockets";

std::array<char, name_bytes> padded(std::string_view name);
std::string unpadded(const std::array<char, name_bytes>& name);

} // namespace fastptm::transport::sockets::wire
