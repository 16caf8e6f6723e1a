// Straight system calls.
#include "transport/probe.hpp"

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <liburing.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include "core/check.hpp"

namespace fastptm::transport {

namespace {

constexpr uint64_t socket_write_bytes = 1 << 20; // the fastest of 64 KiB to 4 MiB
constexpr uint64_t read_bytes = 4 << 20;
constexpr unsigned reads_in_flight = 8;

// A connected pair of TCP sockets over the loopback interface.
core::result<std::pair<int, int>> connected_pair() {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const int from = socket(AF_INET, SOCK_STREAM, 0);
  const bool connected =
      listener >= 0 && from >= 0 && bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
      listen(listener, 1) == 0 && getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0 &&
      connect(from, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  const int to = connected ? accept(listener, nullptr, nullptr) : -1;
  const int number = errno;
  if (listener >= 0) close(listener);
  if (to >= 0) return std::pair{from, to};
  if (from >= 0) close(from);
  return core::fail(core::from_errno(number, "a TCP connection over the loopback interface"));
}

core::duration_us since(core::time_us start_us) {
  return std::max<core::duration_us>(core::monotonic_now_us() - start_us, 1);
}

struct piece {
  int file = -1;
  uint64_t offset_bytes = 0;
  core::memory_region target;
};

core::result<void> read_all(const std::vector<piece>& pieces) {
  io_uring ring{};
  if (const int failure = io_uring_queue_init(reads_in_flight, &ring, 0); failure < 0) {
    return core::fail(core::from_errno(-failure, "io_uring"));
  }
  core::result<void> outcome;
  size_t asked = 0, done = 0;
  while (done < asked || (asked < pieces.size() && outcome)) {
    for (; outcome && asked < pieces.size() && asked - done < reads_in_flight; ++asked) {
      const auto& each = pieces[asked];
      io_uring_prep_read(io_uring_get_sqe(&ring), each.file, each.target.address,
                         static_cast<unsigned>(each.target.size_bytes), each.offset_bytes);
    }
    io_uring_cqe* completion = nullptr;
    io_uring_submit_and_wait(&ring, 1);
    while (io_uring_peek_cqe(&ring, &completion) == 0) {
      if (completion->res <= 0) outcome = core::fail(core::from_errno(-completion->res, "O_DIRECT read"));
      io_uring_cqe_seen(&ring, completion);
      ++done;
    }
  }
  io_uring_queue_exit(&ring);
  return outcome;
}

} // namespace

core::duration_us bare_memcpy_us(core::memory_region target, core::memory_region source) {
  const auto start_us = core::monotonic_now_us();
  std::memcpy(target.address, source.address, source.size_bytes);
  return since(start_us);
}

core::result<core::duration_us> bare_socket_us(core::memory_region target, core::memory_region source) {
  const auto start_us = core::monotonic_now_us();
  const auto connection = connected_pair();
  if (!connection) return core::fail(connection.error());
  const int from = connection->first, to = connection->second;
  std::thread sender([source, out = from] {
    for (uint64_t sent = 0; sent < source.size_bytes;) {
      const auto wrote = write(out, source.address + sent, std::min(socket_write_bytes, source.size_bytes - sent));
      core::check(wrote > 0, "the loopback socket takes bytes");
      sent += static_cast<uint64_t>(wrote);
    }
  });
  for (uint64_t have = 0; have < source.size_bytes;) {
    const auto got = read(to, target.address + have, std::min(socket_write_bytes, source.size_bytes - have));
    core::check(got > 0, "the loopback socket gives bytes");
    have += static_cast<uint64_t>(got);
  }
  sender.join();
  close(from);
  close(to);
  return since(start_us);
}

core::result<core::duration_us> bare_pread_us(const std::filesystem::path& path, core::memory_region target) {
  const auto start_us = core::monotonic_now_us();
  const int file = open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
  if (file < 0) return core::fail(core::from_errno(errno, path.string()));
  ssize_t got = 1;
  for (uint64_t have = 0; have < target.size_bytes && got > 0; have += static_cast<uint64_t>(std::max<ssize_t>(got, 0)))
    got = pread(file, target.address + have, std::min(read_bytes, target.size_bytes - have), static_cast<off_t>(have));
  const int number = errno;
  close(file);
  if (got < 0) return core::fail(core::from_errno(number, path.string()));
  return since(start_us);
}

core::result<core::duration_us> bare_disk_us(const std::vector<std::filesystem::path>& files,
                                             core::memory_region target) {
  const auto start_us = core::monotonic_now_us();
  std::vector<int> opened;
  std::vector<piece> pieces;
  core::result<void> outcome;
  uint64_t at = 0;
  for (const auto& path : files) {
    const int file = open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
    struct stat found {};
    if (file < 0 || fstat(file, &found) != 0) {
      outcome = core::fail(core::from_errno(errno, path.string()));
      break;
    }
    opened.push_back(file);
    const auto size = static_cast<uint64_t>(found.st_size);
    core::check(at + size <= target.size_bytes, "the target holds all files");
    for (uint64_t offset = 0; offset < size; offset += read_bytes) {
      const auto length = std::min(read_bytes, size - offset);
      pieces.push_back({file, offset, target.slice(at + offset, length)});
    }
    at += size;
  }
  if (outcome) outcome = read_all(pieces);
  for (const int file : opened) close(file);
  if (!outcome) return core::fail(outcome.error());
  return since(start_us);
}

} // namespace fastptm::transport
