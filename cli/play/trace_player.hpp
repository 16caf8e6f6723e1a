// Sends the requests of a trace to a cluster at their times, answered or not, and keeps what came of each.
#pragma once

#include <string>
#include <vector>

#include "clients/cpp/client.hpp"
#include "core/clock.hpp"
#include "core/error.hpp"
#include "sim/trace.hpp"

namespace fastptm::cli {

// What became of one request; times since the start.
struct outcome {
  core::time_us sent_us = 0, answered_us = 0;
  size_t input = 0;
  clients::answer got;
  bool done = false;
};

// Made by `load` for one run; the client and the trace outlive it. Used by the client's thread only.
class trace_player {
public:
  // `models`: full names by number of the trace.
  trace_player(clients::tenant_client& client, const sim::trace& trace, std::vector<std::string> models);

  // What each model answers to each input when nothing else is asked. Models are asked in the order of their numbers.
  core::result<void> ask_alone();
  // Returns when every request is answered, or given up some time after the last was sent.
  void play();

  // Answered, and not as when it was asked alone.
  bool is_wrong(size_t i) const;

  const std::vector<outcome>& outcomes() const { return outcomes_; }
  const std::vector<std::string>& models() const { return models_; } // by number of the trace
  core::time_us start_us() const { return start_us_; }               // on this process's clock
  core::time_us end_us() const { return end_us_; }
  core::duration_us deadline_us(size_t i) const; // from sending

private:
  clients::tenant_client& client_;
  const sim::trace& trace_;
  const std::vector<std::string> models_;
  std::vector<clients::input> inputs_;
  std::vector<std::vector<float>> alone_; // by model, then input
  std::vector<outcome> outcomes_;
  core::time_us start_us_ = 0, end_us_ = 0;
};

} // namespace fastptm::cli
