// The generator draws what the published one draws; the binary format survives a round trip and nothing else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include "sim/workload.hpp"
#include "tests/support/temporary_folder.hpp"

namespace fastptm::sim {

namespace {

std::filesystem::path scratch(const std::string& name) {
  static const tests::temporary_folder folder; // of this process: tests run beside each other
  return folder / name;
}

std::string bytes_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// FNV-1a over a whole file.
uint64_t hash_of(const std::string& bytes) {
  uint64_t h = 14695981039346656037u;
  for (const char c : bytes) h = (h ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return h;
}

// Checksums as the published generator prints them for these options; file hashes over the bytes it writes.
TEST(Generator, DrawsWhatThePublishedOneDraws) {
  const auto one = generate({.models = 300, .requests = 20'000, .rate = 3000, .seed = 1});
  const auto seven = generate({.models = 300, .requests = 20'000, .rate = 3000, .seed = 7});
  ASSERT_TRUE(one && seven);
  EXPECT_EQ(checksum(*one), 0xfcc41b693ef3b59aULL);
  EXPECT_EQ(checksum(*seven), 0x0ccf58e28a4cc698ULL);
  ASSERT_TRUE(write_workload(scratch("one"), *one));
  ASSERT_TRUE(write_workload(scratch("seven"), *seven));
  EXPECT_EQ(hash_of(bytes_of(scratch("one"))), 0x00bd7254b9a84175ULL);
  EXPECT_EQ(hash_of(bytes_of(scratch("seven"))), 0xe0845eeee869c518ULL);
}

TEST(Generator, RefusesOptionsThatCannotBe) {
  for (const workload_options& wrong :
       {workload_options{.models = 0}, workload_options{.requests = 0}, workload_options{.rate = 0},
        workload_options{.rate = -3}, workload_options{.rate = std::nan("")}, workload_options{.alpha = -1},
        workload_options{.burst = 0.5}, workload_options{.on_s = 0}, workload_options{.timers = 2},
        workload_options{.amplitude = 1}}) {
    const auto w = generate(wrong);
    ASSERT_FALSE(w);
    EXPECT_EQ(w.error().code, core::errc::invalid);
    EXPECT_THAT(w.error().message, testing::StartsWith("gen-workload: "));
  }
}

class WorkloadFile : public testing::Test {
protected:
  void SetUp() override {
    w_ = *generate({.models = 5, .requests = 50, .rate = 100, .seed = 2});
    ASSERT_TRUE(write_workload(file_, w_));
    good_ = bytes_of(file_);
  }

  std::string said_of(const std::string& bytes) {
    std::ofstream(file_, std::ios::binary | std::ios::trunc) << bytes;
    const auto read = read_workload(file_);
    if (read) return "nothing";
    EXPECT_THAT(read.error().message, testing::StartsWith(file_.string() + ": "));
    EXPECT_THAT(read.error().message, testing::Not(testing::HasSubstr("\n")));
    return read.error().message;
  }
  template <class T> std::string with(size_t at, T value) const {
    std::string bytes = good_;
    std::memcpy(bytes.data() + at, &value, sizeof value);
    return bytes;
  }
  static constexpr size_t classes_at = 24, models_at = classes_at + 4 * 32, requests_at = models_at + 5;

  std::filesystem::path file_ = scratch("file");
  workload w_;
  std::string good_;
};

TEST_F(WorkloadFile, ReadsBackWhatWasWritten) {
  const auto read = read_workload(file_);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(checksum(*read), checksum(w_));
  EXPECT_EQ(read->class_of, w_.class_of);
  EXPECT_TRUE(looks_like_workload(file_));
}

TEST_F(WorkloadFile, OfAnotherKindIsRefused) {
  EXPECT_THAT(said_of(""), testing::HasSubstr("does not begin with SCHEDWL1"));
  EXPECT_THAT(said_of("SCHEDWL2" + good_.substr(8)), testing::HasSubstr("does not begin with SCHEDWL1"));
  EXPECT_THAT(read_workload("/nowhere/at/all").error().message, testing::HasSubstr("/nowhere/at/all"));
}

TEST_F(WorkloadFile, OfAnotherLengthIsRefused) {
  EXPECT_THAT(said_of(good_.substr(0, good_.size() - 1)), testing::HasSubstr("not what its header says"));
  EXPECT_THAT(said_of(good_ + "x"), testing::HasSubstr("not what its header says"));
  EXPECT_THAT(said_of(with<uint64_t>(16, 1ull << 40)), testing::HasSubstr("requests"));
  EXPECT_THAT(said_of(with<uint32_t>(8, 0)), testing::HasSubstr("has 0 models"));
}

TEST_F(WorkloadFile, WithAbsurdCostsIsRefused) {
  for (const double absurd : {0.0, -1.0, 1e300, std::nan(""), std::numeric_limits<double>::infinity()})
    EXPECT_THAT(said_of(with(classes_at + 16, absurd)),
                testing::AllOf(testing::HasSubstr("class 0"), testing::HasSubstr("byte 24")));
}

TEST_F(WorkloadFile, WithUnknownModelsAndClassesIsRefused) {
  EXPECT_THAT(said_of(with<uint8_t>(models_at + 2, 9)),
              testing::AllOf(testing::HasSubstr("model 2 has an unknown class"), testing::HasSubstr("byte 154")));
  EXPECT_THAT(said_of(with<uint32_t>(requests_at + 12 * 3 + 8, 5)),
              testing::AllOf(testing::HasSubstr("request 3 is for an unknown model"),
                             testing::HasSubstr("byte " + std::to_string(requests_at + 12 * 3))));
}

TEST_F(WorkloadFile, OutOfOrderIsRefused) {
  EXPECT_THAT(said_of(with<uint64_t>(requests_at, w_.requests[2].at_us + 1)),
              testing::HasSubstr("is not in order of time"));
}

} // namespace

} // namespace fastptm::sim
