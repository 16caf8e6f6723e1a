// The protocol between two nodes' UCX backends: active messages with these headers, payloads by rendezvous.
//
//   asker                          source
//   hello{nonce}          ->                        the source makes a session
//                         <-  challenge{nonce, proof}
//   answer{proof}         ->                        both sides have proven the cluster secret
//                         <-  verdict
//   fetch{range, id}      ->                        any number, in any order
//                         <-  data{id} + payload    or data{id, error} without payload
//
// An asker that has seen that the kernel lets it read the source's memory (cma) asks to read for itself:
//
//   fetch{.., by_reading} ->                        the source pins the range
//                         <-  data{id, address}
//   release{id}           ->                        the asker has read it
//
// Little-endian, same version on both ends. The asker's `connection` and the source's `session` are numbers their owner
// never gives twice, so a late message of an older conversation finds nobody.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>

#include "transport/cluster_secret.hpp"
#include "transport/exporter.hpp"

namespace fastptm::transport::ucx::wire {

inline constexpr uint32_t magic = 0x4d545046; // "FPTM"
inline constexpr uint32_t version = 1;

enum message_id : unsigned {
  hello_id = 1,
  challenge_id = 2,
  answer_id = 3,
  verdict_id = 4,
  fetch_id = 5,
  data_id = 6,
  release_id = 7
};

struct hello {
  uint32_t magic = wire::magic;
  uint32_t version = wire::version;
  uint64_t connection = 0;
  uint64_t incarnation = 0; // of the source, as the asker knows it
  nonce asker{};
};

struct challenge {
  uint64_t connection = 0;
  uint64_t session = 0;
  nonce source{};
  proof proven{};
  // One read of these 8 bytes shows whether the kernel lets the asker read this process:
  // the session's number lies there.
  int64_t pid = 0;
  uint64_t probe_address = 0;
};

struct answer {
  uint64_t session = 0;
  proof proven{};
};

struct verdict {
  uint64_t connection = 0;
  uint64_t error = 0; // core::errc, 0 = welcome
};

struct fetch {
  uint64_t session = 0;
  uint64_t id = 0;
  uint64_t by_reading = 0; // 1: answer with the address
  remote_range range{};
};

struct data {
  uint64_t id = 0;
  uint64_t error = 0;   // core::errc, 0 = the payload follows, or
  uint64_t address = 0; // where the asker may read, until it releases
};

struct release {
  uint64_t session = 0;
  uint64_t id = 0;
};

// A copy of a header of exactly this type; what UCX hands over is not aligned.
template <class Message> std::optional<Message> read(const void* header, size_t header_bytes) {
  if (header_bytes != sizeof(Message)) return std::nullopt;
  Message message;
  std::memcpy(&message, header, sizeof message);
  return message;
}

inline constexpr size_t largest_header = sizeof(challenge);

} // namespace fastptm::transport::ucx::wire
