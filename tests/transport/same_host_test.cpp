// What a reader of mapped memory keeps of owners that have ended.
#include "transport/same_host/backend.hpp"

#include <atomic>
#include <fstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/random.hpp"
#include "tests/support/until.hpp"
#include "transport/same_host/owner.hpp"
#include "transport/sealed_memory.hpp"

namespace fastptm::transport::same_host {
namespace {

constexpr const char* secret = "a secret of the cluster";
constexpr uint64_t size_bytes = 1 << 16;

// One life of a node that others map. Its own mapping ends with it.
struct life {
  life(std::string_view memory_name, uint64_t incarnation)
      : memory(sealed_memory::create(std::string(memory_name), size_bytes).value()),
        name(exports.add(memory.to_export())),
        at{"source", incarnation, this_boot_id(), fmt::format("@fastptm-test-{:x}", core::true_random_u64()), "", 0},
        listening(owner::create({at.same_host_socket, incarnation, secret, 250'000}, exports).value()) {}

  sealed_memory memory;
  exporter exports;
  exported name;
  peer_address at;
  std::unique_ptr<owner> listening;
};

size_t mappings_named(std::string_view name) {
  std::ifstream maps("/proc/self/maps");
  size_t count = 0;
  for (std::string line; std::getline(maps, line);) count += line.find(name) != line.npos;
  return count;
}

TEST(SameHost, KeepsTheMemoryOfOneLifeOfANode) {
  backend_options options;
  options.secret = secret;
  options.copiers = std::make_shared<copy_pool>(1);
  backend reader(options);
  const auto memory_name = fmt::format("life-{:x}", core::true_random_u64());
  std::vector<std::byte> target(size_bytes);
  for (uint64_t incarnation = 1; incarnation <= 5; ++incarnation) {
    const life source(memory_name, incarnation);
    std::atomic<int> landed = 0;
    const fetch_request request{
        {source.name.region, source.name.generation, 0, size_bytes}, {target.data(), size_bytes}, 5'000'000};
    ASSERT_TRUE(reader.fetch(source.at, request, [&](const core::result<fetched>& got) { landed += got ? 1 : 2; }));
    ASSERT_TRUE(tests::until([&] { return landed != 0; }));
    EXPECT_EQ(landed, 1);
    EXPECT_EQ(mappings_named(memory_name), 2u) << "the source's own, and one that reads it; life " << incarnation;
  }
}

TEST(SameHost, EndsWhatWaitsForAnEarlierLife) {
  backend_options options;
  options.secret = secret;
  options.copiers = std::make_shared<copy_pool>(1);
  backend reader(options);
  std::vector<std::byte> target(size_bytes);
  const life now("now", 2);
  const peer_address before{"source", 1, this_boot_id(), "@fastptm-test-nobody-listens", "", 0};
  std::atomic<int> ended = 0;
  const fetch_request request{
      {now.name.region, now.name.generation, 0, size_bytes}, {target.data(), size_bytes}, 5'000'000};
  ASSERT_TRUE(reader.fetch(before, request, [&](const core::result<fetched>& got) { ended += got ? 100 : 1; }));
  ASSERT_TRUE(reader.fetch(now.at, request, [&](const core::result<fetched>& got) { ended += got ? 1 : 100; }));
  EXPECT_TRUE(tests::until([&] { return ended == 2; }));
}

} // namespace
} // namespace fastptm::transport::same_host
