// Answers to requests that are not computed.
#pragma once

#include <string>
#include <utility>

#include <fmt/format.h>

#include "core/clock.hpp"
#include "policy/scheduling/events.hpp"
#include "protocol/serving.hpp"

namespace fastptm::actors {

inline protocol::infer_reply refused(protocol::status end, std::string error, core::duration_us retry_after_us = 0) {
  return {end, std::move(error), retry_after_us, {}, {}};
}

inline protocol::infer_reply refused(const core::error& why) {
  return refused(core::status_of(why.code), why.message);
}

// A request that the scheduling core did not accept.
inline protocol::infer_reply refused(policy::scheduling::rejection reason) {
  if (reason == policy::scheduling::rejection::full)
    return refused(protocol::status::refused, "the cluster's queue is full", 100'000);
  return refused(protocol::status::unavailable,
                 fmt::format("the scheduler does not take the request: {}", to_string(reason)));
}

} // namespace fastptm::actors
