// A list in the order of arrival; it is short.
#include "rpc/strangers.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <kj/debug.h>
#include <netinet/in.h>

namespace fastptm::rpc {

namespace {

constexpr size_t ipv6_network_bytes = 8;

std::string bytes_of(const void* from, size_t count) {
  return {static_cast<const char*>(from), count};
}

} // namespace

std::string network_of(kj::AsyncIoStream& socket) {
  sockaddr_storage found{};
  kj::uint length = sizeof found;
  const auto gone =
      kj::runCatchingExceptions([&] { socket.getpeername(reinterpret_cast<sockaddr*>(&found), &length); });
  if (gone != nullptr) return {};
  if (found.ss_family == AF_INET) return bytes_of(&reinterpret_cast<sockaddr_in&>(found).sin_addr, sizeof(in_addr));
  const auto& address = reinterpret_cast<sockaddr_in6&>(found).sin6_addr;
  if (IN6_IS_ADDR_V4MAPPED(&address)) return bytes_of(&address.s6_addr[12], sizeof(in_addr));
  return bytes_of(&address, ipv6_network_bytes);
}

strangers::strangers(stranger_limits limits, const std::string& port, core::metrics_registry& metrics)
    : limits_(limits), sent_away_(metrics.make_counter("fastptm_rpc_strangers_sent_away_total",
                                                       "Connections that were nobody's yet and ended for newer ones",
                                                       fmt::format("port=\"{}\"", port))) {}

strangers::place::place(strangers& room, std::string network)
    : room_(room), network_(std::move(network)), end_(kj::newPromiseAndFulfiller<void>()) {
  room_.admit(*this);
}

void strangers::place::leave() {
  std::erase(room_.places_, this);
}

void strangers::place::send_away(kj::StringPtr why) {
  leave();
  end_.fulfiller->reject(KJ_EXCEPTION(DISCONNECTED, why));
}

void strangers::admit(place& fresh) {
  const auto is_neighbour = [&](const place* other) { return other->network_ == fresh.network_; };
  const auto neighbours = std::count_if(places_.begin(), places_.end(), is_neighbour);
  place* oldest = nullptr;
  if (neighbours >= limits_.each)
    oldest = *std::find_if(places_.begin(), places_.end(), is_neighbour);
  else if (places_.size() >= limits_.all)
    oldest = places_.front();
  if (oldest != nullptr) {
    sent_away_.add();
    oldest->send_away("others came, and it had not said who it is");
  }
  places_.push_back(&fresh);
}

} // namespace fastptm::rpc
