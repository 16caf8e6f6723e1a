// What fuzz targets make of libFuzzer's bytes: numbers, texts, records, and a file that holds them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>

#include <sys/mman.h>
#include <unistd.h>

#include "core/check.hpp"

namespace fastptm::fuzz {

// Takes bytes off the front; after the end everything is zero or empty, so that a shorter input is a simpler one.
class bytes {
public:
  bytes(const uint8_t* data, size_t size) : left_(reinterpret_cast<const char*>(data), size) {}

  bool empty() const { return left_.empty(); }
  uint8_t byte() { return left_.empty() ? uint8_t{0} : static_cast<uint8_t>(text(1).front()); }
  std::string_view text(size_t most) {
    const auto taken = left_.substr(0, most);
    left_.remove_prefix(taken.size());
    return taken;
  }
  std::string_view rest() { return text(left_.size()); }

  // The text up to the separator, which is dropped: inputs of several texts stay readable in an editor.
  std::string_view text_until(std::string_view separator) {
    const auto end = left_.find(separator);
    const auto taken = text(std::min(end, left_.size()));
    left_.remove_prefix(std::min(separator.size(), left_.size()));
    return taken;
  }

private:
  std::string_view left_;
};

// A message of a protocol with the input's bytes laid over it, longer or shorter: of zeros it is the message itself.
template <class Message> std::string bent(const Message& good, bytes& by) {
  std::string message(sizeof good, '\0');
  std::memcpy(message.data(), &good, sizeof good);
  const auto flips = by.text(by.byte() % (sizeof good + 1));
  for (size_t i = 0; i < flips.size(); ++i) message[i] = static_cast<char>(message[i] ^ flips[i]);
  const size_t longer = by.byte() % 8u, shorter = by.byte();
  message.resize(message.size() + longer - std::min(shorter, message.size()));
  return message;
}

// A regular file that no disk knows of.
class memory_file {
public:
  explicit memory_file(std::string_view content) : file_(memfd_create("fuzz", MFD_CLOEXEC)) {
    core::check(file_ >= 0, "memfd_create");
    const auto written = ::write(file_, content.data(), content.size());
    core::check(written == static_cast<ssize_t>(content.size()), "writing a file in memory");
  }
  ~memory_file() { ::close(file_); }
  memory_file(const memory_file&) = delete;
  memory_file& operator=(const memory_file&) = delete;

  std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(file_); }

private:
  const int file_;
};

} // namespace fastptm::fuzz
