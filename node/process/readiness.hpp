// What a node tells whoever started it, over a pipe: that it is ready, or why it cannot be.
#pragma once

#include <string>
#include <string_view>

namespace fastptm::node {

// The environment variable with the number of the pipe's descriptor.
inline constexpr const char* readiness_variable = "FASTPTM_READY_FD";

// The node's end. Without the variable (a node started by hand) it says nothing.
class readiness_reporter {
public:
  // Takes the descriptor from the environment, so that children do not inherit the wish.
  readiness_reporter();
  ~readiness_reporter();
  readiness_reporter(const readiness_reporter&) = delete;
  readiness_reporter& operator=(const readiness_reporter&) = delete;

  // Each at most once in effect: the pipe is closed after the first.
  void ready();
  void failed(std::string_view why);

private:
  void say(std::string_view line);

  int descriptor_ = -1;
};

// The launcher's end, one per start of a node: bytes in, the outcome out.
class readiness_parser {
public:
  enum class outcome { none, ready, failed };

  // Bounded: a longer line than 4 KiB is cut.
  outcome feed(std::string_view bytes);
  // One line, after `failed`.
  const std::string& why() const { return why_; }

private:
  std::string line_;
  std::string why_;
};

} // namespace fastptm::node
