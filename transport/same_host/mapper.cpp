// The asking side of the conversation, and mmap.
#include "transport/same_host/mapper.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <fmt/format.h>

#include "transport/same_host/link.hpp"

namespace fastptm::transport::same_host {

namespace {

core::result<core::descriptor> ask_for_file(const peer_address& peer, exported region, const cluster_secret& secret,
                                            core::duration_us timeout_us, uint64_t& size_bytes) {
  auto socket = connect_to(peer.same_host_socket, timeout_us);
  if (!socket) return socket;
  const hello asking{.incarnation = peer.incarnation, .asker = make_nonce()};
  if (auto sent = send(*socket, asking); !sent) return core::fail(sent.error());
  const auto reply = receive<challenge>(*socket);
  if (!reply) return core::fail(reply.error());
  if (reply->error != 0)
    return core::fail(static_cast<core::errc>(reply->error), "it was restarted or is another version");
  if (!equal(reply->proven, secret.prove("map owner", asking.asker, reply->owner, peer.incarnation)))
    return core::fail(core::errc::permission_denied, "it does not know the cluster secret");
  const question named{secret.prove("map asker", asking.asker, reply->owner, peer.incarnation), region};
  if (auto sent = send(*socket, named); !sent) return core::fail(sent.error());
  core::descriptor file;
  const auto got = receive<handover>(*socket, &file);
  if (!got) return core::fail(got.error());
  if (got->error != 0) return core::fail(static_cast<core::errc>(got->error), "it does not hand over this region");
  if (!file) return core::fail(core::errc::unavailable, "it sent no file");
  size_bytes = got->size_bytes;
  return file;
}

// Only memory that can never shrink is mapped: a missing page would end this process with SIGBUS.
core::result<void> check_file(const core::descriptor& file, uint64_t size_bytes) {
  struct stat facts {};
  const int seals = fcntl(file.get(), F_GET_SEALS);
  if (seals < 0 || !(seals & F_SEAL_SHRINK)) return core::fail(core::errc::invalid, "its memory is not sealed");
  if (fstat(file.get(), &facts) != 0 || static_cast<uint64_t>(facts.st_size) < size_bytes)
    return core::fail(core::errc::invalid, "its memory is smaller than it says");
  return {};
}

} // namespace

// Kernels before 5.14 do not know the advice: then copies take the faults.
void mapping::touch(uint64_t offset_bytes, uint64_t length_bytes) const {
  madvise(const_cast<std::byte*>(address_) + offset_bytes, std::min(length_bytes, size_bytes_ - offset_bytes),
          MADV_POPULATE_READ);
}

mapping::~mapping() {
  munmap(const_cast<std::byte*>(address_), size_bytes_);
}

core::result<std::shared_ptr<const mapping>> map_region(const peer_address& peer, exported region,
                                                        const cluster_secret& secret, core::duration_us timeout_us) {
  const auto where = fmt::format("mapping memory of {}", peer.node);
  uint64_t size_bytes = 0;
  const auto file = ask_for_file(peer, region, secret, timeout_us, size_bytes);
  if (!file) return core::fail(where, file.error());
  if (auto checked = check_file(*file, size_bytes); !checked) return core::fail(where, checked.error());
  void* address = mmap(nullptr, size_bytes, PROT_READ, MAP_SHARED, file->get(), 0);
  if (address == MAP_FAILED) return core::fail(core::from_errno(errno, where));
  return std::make_shared<const mapping>(static_cast<const std::byte*>(address), size_bytes);
}

} // namespace fastptm::transport::same_host
