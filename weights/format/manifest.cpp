// Canonical encoding and the checks of a decoded manifest. Cap'n Proto's exceptions end here.
#include "weights/format/manifest.hpp"

#include <algorithm>
#include <cstring>

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <fmt/format.h>

#include "models/registry.hpp"
#include "schemas/manifest.capnp.h"
#include "weights/format/hash.hpp"
#include "weights/format/manifest_1.hpp"

namespace fastptm::weights {

namespace {

constexpr uint16_t newest_format = 2;

// Far above what a family writes, far below what a manifest may take.
constexpr size_t longest_family = 64, longest_configuration = 4096;

void write(schema::Task::Builder to, const models::task& job) {
  to.setKind(static_cast<uint8_t>(job.kind));
  to.setPooling(static_cast<uint8_t>(job.pool));
  to.setNormalize(job.normalize);
  to.setHasPooler(job.has_pooler);
  to.setLabels(job.labels);
  to.setMaxTokens(job.max_tokens);
}

models::task read(schema::Task::Reader from) {
  models::task job;
  job.kind = static_cast<models::task_kind>(from.getKind());
  job.pool = static_cast<models::pooling>(from.getPooling());
  job.normalize = from.getNormalize();
  job.has_pooler = from.getHasPooler();
  job.labels = from.getLabels();
  job.max_tokens = from.getMaxTokens();
  return job;
}

void write(schema::Shard::Builder to, const shard_entry& shard) {
  to.setDigest(kj::arrayPtr(shard.digest.bytes.data(), shard.digest.bytes.size()));
  to.setSizeBytes(shard.size_bytes);
  auto checksums = to.initChunkChecksums(static_cast<unsigned>(shard.chunk_checksums.size()));
  for (unsigned i = 0; i < checksums.size(); ++i) checksums.set(i, shard.chunk_checksums[i]);
}

core::result<shard_entry> read(schema::Shard::Reader from) {
  shard_entry shard;
  const auto digest = from.getDigest();
  if (digest.size() != shard.digest.bytes.size())
    return core::fail(core::errc::corrupt, "a shard's digest has no 32 bytes");
  std::memcpy(shard.digest.bytes.data(), digest.begin(), digest.size());
  shard.size_bytes = from.getSizeBytes();
  const auto checksums = from.getChunkChecksums();
  shard.chunk_checksums.reserve(checksums.size());
  for (const uint64_t checksum : checksums) shard.chunk_checksums.push_back(checksum);
  return shard;
}

core::result<void> check_numbers(const manifest& set) {
  const auto fail = [](std::string_view what) {
    return core::fail(core::errc::corrupt, fmt::format("unknown {}", what));
  };
  if (set.arch.dtype > models::dtype::f32) return fail("dtype");
  if (set.arch.layout_tag != 0) return fail("layout tag");
  if (set.job.kind > models::task_kind::classify) return fail("task");
  if (set.job.pool > models::pooling::mean_sqrt_len) return fail("pooling");
  return {};
}

core::result<models::architecture> read_architecture(schema::Manifest::Reader from) {
  if (from.getFormat() == 1) return read_format_1(from.getArchitecture());
  const auto family = from.getFamily(), configuration = from.getConfiguration();
  if (family.size() > longest_family || configuration.size() > longest_configuration)
    return core::fail(core::errc::corrupt, "the family's name or configuration is too long");
  return models::architecture{.family = {family.cStr(), family.size()},
                              .configuration = {configuration.cStr(), configuration.size()},
                              .dtype = static_cast<models::dtype>(from.getDtype()),
                              .layout_tag = from.getLayoutTag()};
}

void write_architecture(schema::Manifest::Builder to, const manifest& set) {
  if (set.format == 1) return write_format_1(to.initArchitecture(), set.arch);
  to.setFamily(set.arch.family);
  to.setConfiguration(set.arch.configuration);
  to.setDtype(static_cast<uint8_t>(set.arch.dtype));
  to.setLayoutTag(set.arch.layout_tag);
}

core::result<void> check_shards(const manifest& set) {
  const auto expected = models::layout_of(set.arch, set.job);
  if (set.shards.size() != expected.size()) {
    return core::fail(core::errc::corrupt, fmt::format("{} shards, expected {}", set.shards.size(), expected.size()));
  }
  for (size_t i = 0; i < expected.size(); ++i) {
    const auto& shard = set.shards[i];
    const auto chunks = chunk_count(expected[i].size_bytes);
    if (shard.size_bytes == expected[i].size_bytes && shard.chunk_checksums.size() == chunks) continue;
    return core::fail(core::errc::corrupt,
                      fmt::format("{} has {} bytes in {} chunks, expected {} in {}", name_of(expected[i]),
                                  shard.size_bytes, shard.chunk_checksums.size(), expected[i].size_bytes, chunks));
  }
  return {};
}

core::result<manifest> read(schema::Manifest::Reader from) {
  manifest set;
  set.format = from.getFormat();
  if (set.format < 1 || set.format > newest_format) {
    return core::fail(
        core::errc::version_mismatch,
        fmt::format("format {}, expected 1 to {}: a newer version published it", set.format, newest_format));
  }
  auto arch = read_architecture(from);
  if (!arch) return core::fail(arch.error());
  set.arch = std::move(*arch);
  set.job = read(from.getTask());
  for (const auto entry : from.getShards()) {
    auto shard = read(entry);
    if (!shard) return core::fail(shard.error());
    set.shards.push_back(std::move(*shard));
  }
  return set;
}

core::result<manifest> read(std::span<const std::byte> bytes) {
  std::vector<capnp::word> words(bytes.size() / sizeof(capnp::word)); // a copy: Cap'n Proto wants alignment
  std::memcpy(words.data(), bytes.data(), bytes.size());
  const kj::ArrayPtr<const capnp::word> segments[] = {kj::arrayPtr(words.data(), words.size())};
  try {
    capnp::SegmentArrayMessageReader message(segments);
    return read(message.getRoot<schema::Manifest>());
  } catch (const kj::Exception& cause) {
    return core::fail(core::errc::corrupt, fmt::format("not a manifest: {}", cause.getDescription().cStr()));
  }
}

} // namespace

uint64_t manifest::total_bytes() const {
  uint64_t sum = 0;
  for (const auto& shard : shards) sum += shard.size_bytes;
  return sum;
}

std::vector<std::byte> encode(const manifest& set) {
  capnp::MallocMessageBuilder message;
  auto root = message.initRoot<schema::Manifest>();
  root.setFormat(set.format);
  write_architecture(root, set);
  write(root.initTask(), set.job);
  auto shards = root.initShards(static_cast<unsigned>(set.shards.size()));
  for (unsigned i = 0; i < shards.size(); ++i) write(shards[i], set.shards[i]);
  const auto words = capnp::canonicalize(root.asReader());
  const auto bytes = words.asBytes();
  const auto* begin = reinterpret_cast<const std::byte*>(bytes.begin());
  return {begin, begin + bytes.size()};
}

core::result<manifest> decode(std::span<const std::byte> bytes) {
  const auto fail = [](const core::error& cause) { return core::fail("manifest", cause); };
  if (bytes.size() > max_manifest_bytes || bytes.size() % sizeof(capnp::word) != 0 || bytes.empty())
    return fail({core::errc::corrupt, fmt::format("{} bytes are no manifest", bytes.size())});
  auto set = read(bytes);
  if (!set) return fail(set.error());
  if (auto ok = check_numbers(*set); !ok) return fail(ok.error());
  if (auto ok = models::describe(set->arch, set->job); !ok) return fail({core::errc::corrupt, ok.error().message});
  if (auto ok = check_shards(*set); !ok) return fail(ok.error());
  if (!std::ranges::equal(encode(*set), bytes)) return fail({core::errc::corrupt, "the bytes are not canonical"});
  return set;
}

core::digest digest_of(std::span<const std::byte> encoded) {
  return sha256(encoded);
}
core::digest digest_of(const manifest& set) {
  return sha256(encode(set));
}

} // namespace fastptm::weights
