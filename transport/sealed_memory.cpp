// memfd, seals and the owner's mapping.
#include "transport/sealed_memory.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "core/host_memory.hpp"
#include "core/units.hpp"

namespace fastptm::transport {

namespace {

constexpr uint64_t page_bytes = 4096;

core::error out_of(int number, const std::string& name, uint64_t size_bytes) {
  auto error = core::from_errno(number, fmt::format("{} MiB of shared memory for {}", size_bytes >> 20, name));
  if (number == ENOSPC || number == ENOMEM) error.code = core::errc::quota_exceeded;
  return error;
}

} // namespace

core::result<sealed_memory> sealed_memory::create(const std::string& name, uint64_t size_bytes) {
  auto made = reserve(name, size_bytes);
  if (!made) return made;
  if (auto all = made->bring_in(0, made->memory_.size_bytes); !all) return core::fail(all.error());
  return made;
}

core::result<sealed_memory> sealed_memory::reserve(const std::string& name, uint64_t size_bytes) {
  const auto size = core::round_up(size_bytes, page_bytes);
  if (auto enough = core::check_memory(size, "shared memory for " + name, "configure less of it"); !enough)
    return core::fail(enough.error());
  const int file = memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (file < 0) return core::fail(out_of(errno, name, size));
  sealed_memory made(file, {});
  if (ftruncate(file, static_cast<off_t>(size)) != 0) return core::fail(out_of(errno, name, size));
  void* address = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (address == MAP_FAILED) return core::fail(out_of(errno, name, size));
  made.memory_ = {static_cast<std::byte*>(address), size};
  // FUTURE_WRITE leaves our own mapping writable and refuses every later one.
  if (fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) != 0)
    return core::fail(core::from_errno(errno, fmt::format("sealing the shared memory of {}", name)));
  return made;
}

// A fault of a page that the file does not have could be a SIGBUS; this is an error.
core::result<void> sealed_memory::bring_in(uint64_t offset_bytes, uint64_t length_bytes) const {
  if (const int failed = posix_fallocate(file_, static_cast<off_t>(offset_bytes), static_cast<off_t>(length_bytes)))
    return core::fail(out_of(failed, "a cache", length_bytes));
  // Only saves faults: where the kernel cannot, they come one by one.
  madvise(memory_.address + offset_bytes, length_bytes, MADV_POPULATE_WRITE);
  return {};
}

sealed_memory::sealed_memory(sealed_memory&& other) noexcept
    : file_(std::exchange(other.file_, -1)), memory_(std::exchange(other.memory_, {})) {}

sealed_memory& sealed_memory::operator=(sealed_memory&& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(memory_, other.memory_);
  return *this;
}

sealed_memory::~sealed_memory() {
  if (memory_.address) munmap(memory_.address, memory_.size_bytes);
  if (file_ >= 0) close(file_);
}

} // namespace fastptm::transport
