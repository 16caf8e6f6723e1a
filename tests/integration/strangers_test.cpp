// Who knows no token, at the ports of a real head: it stays small, and serves everybody else.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <random>
#include <regex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "core/json.hpp"
#include "tests/integration/real_binary.hpp"
#include "tests/support/stranger.hpp"

namespace fastptm::integration {
namespace {

using testing::IsEmpty;
using testing::Not;
using tests::stranger;

constexpr size_t held = 1200;
constexpr size_t most_descriptors = 1024; // the usual soft limit
constexpr uint64_t most_growth_mib = 64;

std::string text_in(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

void allow_descriptors(rlim_t wanted) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  if (limit.rlim_cur >= wanted) return;
  if (limit.rlim_max < wanted) GTEST_SKIP() << "fewer than " << wanted << " files may be open here";
  limit.rlim_cur = wanted;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
}

class StrangersAtTheHead : public testing::Test {
protected:
  void SetUp() override {
    allow_descriptors(held + 256);
    const auto up = cluster_.up();
    ASSERT_EQ(up.code, 0) << up.err;
    model_ = cluster_.publish("m", 1);
    ASSERT_THAT(cluster_.embed(model_), Not(IsEmpty()));
    process_ = "/proc/" + std::to_string(cluster_.pid_of("head"));
    start_mib_ = memory_mib();
    start_descriptors_ = descriptors();
  }

  std::map<std::string, std::string> ports() const {
    const auto record = core::parse_json(text_in(cluster_.where().state() / "run" / "head.json"), "head.json");
    std::map<std::string, std::string> out;
    for (const auto* port : {"gateway", "admin", "http"}) out[port] = text_of(*record, port);
    return out;
  }
  uint64_t memory_mib() const {
    std::smatch found;
    const auto text = text_in(process_ / "status");
    return std::regex_search(text, found, std::regex(R"(RssAnon:\s+(\d+))")) ? std::stoull(found[1]) >> 10 : 0;
  }
  size_t descriptors() const {
    using each = std::filesystem::directory_iterator;
    return static_cast<size_t>(std::distance(each(process_ / "fd"), each()));
  }

  // Tenants and operators within two seconds, and the head within its bounds.
  void expect_service(const std::string& meanwhile) const {
    SCOPED_TRACE(meanwhile);
    const auto file = cluster_.where().file("ids.json", "[[5,6,7]]");
    const auto asked = cluster_.ask({"embed", model_, "--ids", file.string()}, 2s);
    EXPECT_EQ(asked.code, 0) << asked.err;
    const auto status = cluster_.run({"status", "--json"}, 2s);
    EXPECT_EQ(status.code, 0) << status.err;
    EXPECT_LE(descriptors(), most_descriptors);
    EXPECT_LE(memory_mib(), start_mib_ + most_growth_mib);
  }

  void expect_all_back() const {
    EXPECT_TRUE(cluster_.eventually([&] { return descriptors() <= start_descriptors_; }, 10s))
        << descriptors() << " descriptors, " << start_descriptors_ << " before";
    EXPECT_EQ("/proc/" + std::to_string(cluster_.pid_of("head")), process_.string()) << "it is the same process";
  }

  cluster cluster_{config_text(1)};
  std::string model_;
  std::filesystem::path process_;
  uint64_t start_mib_ = 0;
  size_t start_descriptors_ = 0;
};

TEST_F(StrangersAtTheHead, WhoHoldConnectionsKeepNobodyOut) {
  for (const auto& [name, address] : ports()) {
    std::vector<stranger> all;
    for (size_t i = 0; i < held; ++i) all.emplace_back(address);
    expect_service(name);
  }
  expect_all_back();
}

std::string words(std::initializer_list<uint32_t> values) {
  std::string out;
  for (const auto value : values) out.append(reinterpret_cast<const char*>(&value), sizeof value);
  return out;
}

std::string repeated(const std::string& text, size_t times) {
  std::string out;
  while (times-- > 0) out += text;
  return out;
}

using maker = std::function<std::string(std::mt19937&)>;

std::string noise(std::mt19937& random, size_t most) {
  std::string out(1 + random() % most, '\0');
  std::generate(out.begin(), out.end(), [&] { return static_cast<char>(random()); });
  return out;
}

const std::map<std::string, maker>& kinds() {
  static const std::map<std::string, maker> all{
      {"noise", [](auto& random) { return noise(random, 4000); }},
      {"ones", [](auto& random) { return std::string(4 * (1 + random() % 50), '\xff'); }},
      {"zeros", [](auto& random) { return std::string(1 + random() % 3000, '\0'); }},
      {"a length of 16 GiB",
       [](auto& random) {
         return words({0, 0x7fffffff}) + noise(random, 64);
       }},
      {"many segments",
       [](auto&) {
         return repeated(words({511, 1}), 300);
       }},
      {"a message of 4 MiB, begun",
       [](auto&) {
         return words({0, (4 << 20) / 8 - 1}) + std::string(60'000, 'x');
       }},
      {"a request line of 100 kB",
       [](auto& random) { return "GET /" + std::string(random() % 100'000, 'A') + " HTTP/1.1\r\n"; }},
      {"half of a request",
       [](auto& random) { return "POST / HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n" + noise(random, 100); }},
  };
  return all;
}

TEST_F(StrangersAtTheHead, WhoSendAnythingCostLittleMemory) {
  constexpr unsigned seed = 1;
  for (const auto& [name, address] : ports()) {
    for (const auto& [kind, make] : kinds()) {
      std::mt19937 random(seed);
      std::vector<stranger> all;
      for (int i = 0; i < 300; ++i) {
        all.emplace_back(address);
        all.back().send(make(random));
      }
      expect_service(name + ": " + kind);
    }
  }
  expect_all_back();
}

} // namespace
} // namespace fastptm::integration
