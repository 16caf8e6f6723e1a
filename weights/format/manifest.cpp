// Canonical encoding and the checks of a decoded manifest. Cap'n Proto's exceptions end here.
#include "weights/format/manifest.hpp"

#include <algorithm>
#include <cstring>

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <fmt/format.h>

#include "schemas/manifest.capnp.h"
#include "weights/format/hash.hpp"
#include "weights/format/layout.hpp"

namespace fastptm::weights {

namespace {

constexpr uint16_t manifest_format = 1;

void write(schema::Architecture::Builder to, const architecture& arch) {
  to.setFamily(static_cast<uint8_t>(arch.family));
  to.setDtype(static_cast<uint8_t>(arch.dtype));
  to.setActivation(static_cast<uint8_t>(arch.act));
  to.setLayoutTag(arch.layout_tag);
  to.setHidden(arch.hidden);
  to.setLayers(arch.layers);
  to.setHeads(arch.heads);
  to.setIntermediate(arch.intermediate);
  to.setVocabulary(arch.vocabulary);
  to.setPositions(arch.positions);
  to.setTokenTypes(arch.token_types);
  to.setLayerNormEps(arch.layer_norm_eps);
}

architecture read(schema::Architecture::Reader from) {
  architecture arch;
  arch.family = static_cast<family>(from.getFamily());
  arch.dtype = static_cast<dtype>(from.getDtype());
  arch.act = static_cast<activation>(from.getActivation());
  arch.layout_tag = from.getLayoutTag();
  arch.hidden = from.getHidden();
  arch.layers = from.getLayers();
  arch.heads = from.getHeads();
  arch.intermediate = from.getIntermediate();
  arch.vocabulary = from.getVocabulary();
  arch.positions = from.getPositions();
  arch.token_types = from.getTokenTypes();
  arch.layer_norm_eps = from.getLayerNormEps();
  return arch;
}

void write(schema::Task::Builder to, const task& job) {
  to.setKind(static_cast<uint8_t>(job.kind));
  to.setPooling(static_cast<uint8_t>(job.pool));
  to.setNormalize(job.normalize);
  to.setHasPooler(job.has_pooler);
  to.setLabels(job.labels);
  to.setMaxTokens(job.max_tokens);
}

task read(schema::Task::Reader from) {
  task job;
  job.kind = static_cast<task_kind>(from.getKind());
  job.pool = static_cast<pooling>(from.getPooling());
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
  if (set.arch.family > family::bert) return fail("family");
  if (set.arch.dtype > dtype::f32) return fail("dtype");
  if (set.arch.act > activation::relu) return fail("activation");
  if (set.arch.layout_tag != 0) return fail("layout tag");
  if (set.job.kind > task_kind::classify) return fail("task");
  if (set.job.pool > pooling::mean_sqrt_len) return fail("pooling");
  return validate(set.arch, set.job);
}

core::result<void> check_shards(const manifest& set) {
  const auto expected = layout_of(set.arch, set.job);
  if (set.shards.size() != expected.size()) {
    return core::fail(core::errc::corrupt, fmt::format("{} shards, expected {}", set.shards.size(), expected.size()));
  }
  for (size_t i = 0; i < expected.size(); ++i) {
    const auto& shard = set.shards[i];
    if (shard.size_bytes == expected[i].size_bytes && shard.chunk_checksums.size() == chunk_count(shard.size_bytes)) {
      continue;
    }
    return core::fail(core::errc::corrupt,
                      fmt::format("{} has {} bytes in {} chunks, expected {} in {}", name_of(expected[i]),
                                  shard.size_bytes, shard.chunk_checksums.size(), expected[i].size_bytes,
                                  chunk_count(expected[i].size_bytes)));
  }
  return {};
}

core::result<manifest> read(schema::Manifest::Reader from) {
  if (from.getFormat() != manifest_format) {
    return core::fail(core::errc::version_mismatch,
                      fmt::format("format {}, expected {}", from.getFormat(), manifest_format));
  }
  manifest set;
  set.arch = read(from.getArchitecture());
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
  root.setFormat(manifest_format);
  write(root.initArchitecture(), set.arch);
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
  if (bytes.size() > max_manifest_bytes || bytes.size() % sizeof(capnp::word) != 0 || bytes.empty()) {
    return fail({core::errc::corrupt, fmt::format("{} bytes are no manifest", bytes.size())});
  }
  auto set = read(bytes);
  if (!set) return fail(set.error());
  if (auto ok = check_numbers(*set); !ok) return fail({core::errc::corrupt, ok.error().message});
  if (auto ok = check_shards(*set); !ok) return fail(ok.error());
  if (const auto again = encode(*set); !std::ranges::equal(again, bytes)) {
    return fail({core::errc::corrupt, "the bytes are not canonical"});
  }
  return set;
}

core::digest digest_of(std::span<const std::byte> encoded) {
  return sha256(encoded);
}
core::digest digest_of(const manifest& set) {
  return sha256(encode(set));
}

} // namespace fastptm::weights
