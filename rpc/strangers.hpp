// Who is connected and has not said who it is: so many of one address and in all, and the oldest goes for the newest.
#pragma once

#include <string>
#include <vector>

#include <kj/async-io.h>

#include "core/metrics.hpp"

namespace fastptm::rpc {

struct stranger_limits {
  uint32_t each = 0; // of one address
  uint32_t all = 0;
};

// Where a connection comes from, as far as it tells people apart: the IPv4 address, or the first half of the IPv6
// address, since a host has the other half for itself. Empty: it is gone already.
std::string network_of(kj::AsyncIoStream& socket);

// Lives on the KJ thread, longer than its places. Nobody who comes is turned away: to be known takes a round trip, and
// who needs longer has been here the longest.
class strangers {
public:
  // `port` names it in metrics.
  strangers(stranger_limits limits, const std::string& port, core::metrics_registry& metrics);

  // A stranger's, for as long as its connection lives; left early when it becomes known.
  class place {
  public:
    place(strangers& room, std::string network);
    ~place() { leave(); }
    place(const place&) = delete;
    place& operator=(const place&) = delete;

    void leave();
    // Ends the connection, known or not.
    void send_away(kj::StringPtr why);
    // Rejected when the connection has to end. To be asked for once.
    kj::Promise<void> sent_away() { return kj::mv(end_.promise); }

  private:
    friend class strangers;
    strangers& room_;
    const std::string network_;
    kj::PromiseFulfillerPair<void> end_;
  };

private:
  void admit(place& fresh);

  const stranger_limits limits_;
  core::counter& sent_away_;
  std::vector<place*> places_; // oldest first
};

} // namespace fastptm::rpc
