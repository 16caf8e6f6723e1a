// Somebody with a socket and no manners: connects, sends any bytes, and sees whether it is hung up on.
#pragma once

#include <string>

namespace fastptm::tests {

class stranger {
public:
  stranger(); // not connected yet
  explicit stranger(const std::string& address) : stranger() { connect_to(address); }
  ~stranger();
  stranger(stranger&& other) noexcept;
  stranger& operator=(stranger&&) = delete;

  // host:port of this machine; only the port counts. False: nobody listens, or there was no descriptor.
  bool connect_to(const std::string& address);
  // As much as is taken at once.
  bool send(const std::string& bytes) const;
  // Whether the other side hangs up within that time.
  bool is_hung_up(int milliseconds) const;

private:
  int socket_;
};

} // namespace fastptm::tests
