// Which of a backend's sockets can be read or written now: epoll behind numbers.
#pragma once

#include <cstdint>
#include <vector>

namespace fastptm::transport::sockets {

struct event {
  uint64_t number = 0;
  bool readable = false; // or at its end
  bool writable = false;
};

// One thread. Level-triggered: what was not taken is told again.
class poller {
public:
  poller();
  ~poller();
  poller(const poller&) = delete;
  poller& operator=(const poller&) = delete;

  // A number that is never given twice.
  uint64_t next_number() { return ++last_number_; }
  // The socket is taken out by closing it. False when the kernel has no room for it.
  bool add(int socket, uint64_t number, bool reads, bool writes);
  void change(int socket, uint64_t number, bool reads, bool writes);

  // What can be done without waiting.
  const std::vector<event>& now();
  // Becomes readable when there is something.
  int file() const { return file_; }

private:
  const int file_;
  uint64_t last_number_ = 0;
  std::vector<event> events_;
};

} // namespace fastptm::transport::sockets
