// Tenants that publish, ask and take back at the same time while the head is killed; their models share shards.
#include <csignal>
#include <cstring>
#include <fstream>
#include <map>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/random.hpp"
#include "tests/integration/real_binary.hpp"
#include "weights/import/synthetic.hpp"

namespace fastptm::integration {
namespace {

namespace fs = std::filesystem;

constexpr size_t variants = 4;
constexpr int steps = 14; // of each tenant: a few seconds

// Folders that differ in the weights somewhere: they share most shards, and answer differently.
std::vector<fs::path> write_variants(const fs::path& home) {
  std::vector<fs::path> folders;
  for (size_t i = 0; i < variants; ++i) {
    folders.push_back(home / ("variant-" + std::to_string(i)));
    EXPECT_TRUE(weights::write_synthetic_model(folders[i], *weights::synthetic_shape_named("tiny"), 1));
    const auto file = folders[i] / "model.safetensors";
    const std::vector<float> changed(64, 0.01f * static_cast<float>(i + 1));
    std::fstream weights_file(file, std::ios::binary | std::ios::in | std::ios::out);
    weights_file.seekp(static_cast<std::streamoff>(fs::file_size(file) / 8 * (5 + i % 2) / 4 * 4));
    weights_file.write(reinterpret_cast<const char*>(changed.data()), 64 * sizeof(float));
  }
  return folders;
}

struct world {
  const cluster* of = nullptr;
  std::vector<fs::path> folders;
  std::vector<std::vector<double>> expected; // by folder
  fs::path ids;
};

std::vector<double> embedding_of(const core::json_value& row) {
  std::vector<double> out;
  if (const auto* values = row.find("embedding"); values != nullptr && values->array() != nullptr)
    for (const auto& each : *values->array()) out.push_back(each.number().value_or(0));
  return out;
}

class churning_tenant {
public:
  churning_tenant(const world& in, std::string name, uint64_t seed) : in_(in), name_(std::move(name)), random_(seed) {}

  void run() {
    for (int i = 0; i < steps; ++i) {
      const auto choice = random_.below(10);
      if (mine_.empty() || choice < 3)
        publish();
      else if (choice < 5)
        unpublish();
      else
        ask();
    }
  }
  const std::map<std::string, size_t>& mine() const { return mine_; }

private:
  ended cli(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--as", name_, "--json"});
    return in_.of->run(std::move(arguments));
  }
  std::string any() {
    return std::next(mine_.begin(), static_cast<std::ptrdiff_t>(random_.below(mine_.size())))->first;
  }

  // What a killed head makes of a publication or a removal is known only afterwards: such a model is left alone.
  void publish() {
    const auto folder = random_.below(variants);
    const auto done = cli({"publish", in_.folders[folder].string(), "--model", "m"});
    if (done.code == 0) mine_[text_of(done.json(), "model")] = folder;
  }
  void unpublish() {
    const auto model = any();
    mine_.erase(model);
    if (cli({"unpublish", model}).code != 0) return;
    const auto asked = cli({"embed", model, "--ids", in_.ids.string(), "--deadline", "20s"});
    EXPECT_EQ(text_of(asked.json(), "status"), "not_found") << model;
  }
  void ask() {
    const auto model = any();
    const auto asked = cli({"embed", model, "--ids", in_.ids.string(), "--deadline", "20s"}).json();
    EXPECT_EQ(text_of(asked, "status"), "ok") << model << ": " << text_of(asked, "error");
    EXPECT_EQ(embedding_of(asked), in_.expected[mine_.at(model)]) << model;
  }

  const world& in_;
  const std::string name_;
  core::prng random_;
  std::map<std::string, size_t> mine_; // folders by model
};

std::vector<fs::path> stored(const cluster& of) {
  std::vector<fs::path> files;
  for (const auto* part : {"objects", "sets"})
    for (const auto& file : fs::directory_iterator(of.where().state() / "store" / part)) files.push_back(file.path());
  return files;
}

TEST(Churn, NothingIsWrongLostOrLeftBehind) {
  const auto seed = core::true_random_u64();
  SCOPED_TRACE("seed " + std::to_string(seed));
  cluster c(config_text(2, 2));
  ASSERT_EQ(c.up().code, 0);
  world in{&c, write_variants(c.where().path()), {}, c.where().file("asked.json", "[[5,6,7,8]]")};
  for (size_t i = 0; i < variants; ++i) {
    const auto model = c.ask({"publish", in.folders[i].string(), "--model", "reference"}).json();
    in.expected.push_back(
        embedding_of(c.ask({"embed", text_of(model, "model"), "--ids", in.ids.string(), "--deadline", "20s"}).json()));
    ASSERT_FALSE(in.expected.back().empty());
  }
  ASSERT_NE(in.expected[0], in.expected[1]);
  ASSERT_EQ(c.ask({"unpublish", "acme/reference", "--all"}).code, 0);
  EXPECT_THAT(stored(c), testing::IsEmpty());

  churning_tenant acme(in, "acme", seed), globex(in, "globex", seed + 1);
  std::jthread first([&] { acme.run(); }), second([&] { globex.run(); });
  ::kill(static_cast<pid_t>(c.pid_of("head")), SIGKILL);
  first.join();
  second.join();

  for (const auto* tenant : {"acme", "globex"})
    for (const auto& row : c.run({"models", "--as", tenant, "--json"}).json_lines())
      EXPECT_EQ(c.run({"unpublish", text_of(row, "name"), "--as", tenant, "--json"}).code, 0);
  EXPECT_THAT(stored(c), testing::IsEmpty());
}

} // namespace
} // namespace fastptm::integration
