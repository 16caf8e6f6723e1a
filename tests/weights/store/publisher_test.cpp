// From a folder to shards: the bytes of the image, sharing, versions, refusals, crashes and a full disk.
#include "weights/store/publisher.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <set>

#include <csignal>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "core/random.hpp"
#include "models/registry.hpp"
#include "tests/support/checkpoint_folder.hpp"
#include "tests/support/temporary_folder.hpp"
#include "weights/format/hash.hpp"
#include "weights/import/synthetic.hpp"

namespace fastptm::weights {

namespace {

namespace fs = std::filesystem;
using tests::bert_options;
using tests::checkpoint_folder;

// A store and a catalogue in a folder.
struct shelf {
  explicit shelf(fs::path at) : folder(std::move(at)), store(open_store()), models(open_models()) {}

  core::result<publication> publish(const fs::path& model, std::string name = "m",
                                    const publish_observer& observe = {}) {
    publish_request request{
        .folder = model, .tenant = "acme", .name = std::move(name), .check_tokenizer = {}, .pack_card = {}};
    return weights::publish(request, store, models, observe);
  }

  std::vector<live_model> live() const {
    std::vector<live_model> list;
    const auto entries = models.all();
    for (const auto& entry : *entries) list.push_back({entry.manifest, entry.card});
    return list;
  }

  std::set<std::string> names_in(std::string_view part) const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder / part)) names.insert(entry.path().filename());
    return names;
  }

  const fs::path folder;
  content_store store;
  catalogue models;

private:
  content_store open_store() const {
    auto opened = content_store::open(folder);
    if (!opened) throw std::runtime_error(opened.error().message);
    return std::move(*opened);
  }
  catalogue open_models() const {
    auto opened = catalogue::open(folder / "catalogue.sqlite");
    if (!opened) throw std::runtime_error(opened.error().message);
    return std::move(*opened);
  }
};

std::string object_bytes(const shelf& at, const core::digest& name) {
  return tests::read_file(at.store.object_path(name));
}

// Every shard of the model is there and is what its names say.
void expect_whole(const shelf& at, const catalogue_entry& entry) {
  const auto set = at.store.read_manifest(entry.manifest);
  ASSERT_TRUE(set) << set.error().message;
  for (const auto& shard : set->shards) {
    const auto bytes = object_bytes(at, shard.digest);
    ASSERT_EQ(bytes.size(), shard.size_bytes);
    EXPECT_EQ(sha256(bytes), shard.digest);
    const auto* data = reinterpret_cast<const std::byte*>(bytes.data());
    for (size_t i = 0; i < shard.chunk_checksums.size(); ++i) {
      const uint64_t begin = i * chunk_bytes;
      EXPECT_EQ(chunk_checksum(data + begin, std::min(chunk_bytes, bytes.size() - begin)), shard.chunk_checksums[i]);
    }
  }
}

// The bytes of one slot, and that everything between the slots is zero.
std::map<std::string, std::string> slots_of(const models::shard_layout& layout, std::string bytes) {
  std::map<std::string, std::string> slots;
  for (const auto& slot : layout.tensors) {
    slots[slot.name] = bytes.substr(slot.offset_bytes, slot.size_bytes);
    std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(slot.offset_bytes), slot.size_bytes, '\0');
  }
  EXPECT_EQ(bytes.find_first_not_of('\0'), std::string::npos) << "padding is not zero";
  return slots;
}

struct published_image {
  std::map<std::string, std::string> embeddings, head;
  std::vector<std::map<std::string, std::string>> layers;
};

published_image image_of(const shelf& at, const publication& done) {
  published_image image;
  const auto layouts = models::layout_of(done.set.arch, done.set.job);
  EXPECT_EQ(layouts.size(), done.set.shards.size());
  for (size_t i = 0; i < layouts.size(); ++i) {
    auto slots = slots_of(layouts[i], object_bytes(at, done.set.shards[i].digest));
    if (layouts[i].kind == models::shard_kind::embeddings)
      image.embeddings = std::move(slots);
    else if (layouts[i].kind == models::shard_kind::head)
      image.head = std::move(slots);
    else
      image.layers.push_back(std::move(slots));
  }
  return image;
}

void expect_encoder(const published_image& image, checkpoint_folder& model, const std::string& prefix,
                    const std::string& scale, const std::string& shift) {
  const auto of = [&](const std::string& name) { return model.at(prefix + name).bytes; };
  EXPECT_EQ(image.embeddings.at("word"), of("embeddings.word_embeddings.weight"));
  EXPECT_EQ(image.embeddings.at("position"), of("embeddings.position_embeddings.weight"));
  EXPECT_EQ(image.embeddings.at("token_type"), of("embeddings.token_type_embeddings.weight"));
  EXPECT_EQ(image.embeddings.at("norm.weight"), of("embeddings.LayerNorm." + scale));
  EXPECT_EQ(image.embeddings.at("norm.bias"), of("embeddings.LayerNorm." + shift));
  ASSERT_EQ(image.layers.size(), checkpoint_folder::layers);
  for (size_t i = 0; i < image.layers.size(); ++i) {
    const auto& layer = image.layers[i];
    const std::string in = "encoder.layer." + std::to_string(i) + ".";
    for (const std::string field : {"weight", "bias"}) {
      EXPECT_EQ(layer.at("qkv." + field), of(in + "attention.self.query." + field) +
                                              of(in + "attention.self.key." + field) +
                                              of(in + "attention.self.value." + field));
      EXPECT_EQ(layer.at("attention_output." + field), of(in + "attention.output.dense." + field));
      EXPECT_EQ(layer.at("intermediate." + field), of(in + "intermediate.dense." + field));
      EXPECT_EQ(layer.at("output." + field), of(in + "output.dense." + field));
    }
    EXPECT_EQ(layer.at("attention_norm.weight"), of(in + "attention.output.LayerNorm." + scale));
    EXPECT_EQ(layer.at("output_norm.bias"), of(in + "output.LayerNorm." + shift));
  }
}

// Runs `body` in a process of its own; its exit status as wait(2) gives it.
int in_child(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

// Fills the disk up to so many bytes.
void leave_room(const fs::path& disk, uint64_t room_bytes) {
  const auto filler = disk / "filler";
  fs::remove(filler);
  const auto free_bytes = fs::space(disk).available;
  const int file = ::open(filler.c_str(), O_WRONLY | O_CREAT, 0600);
  ASSERT_GE(file, 0);
  ASSERT_EQ(::posix_fallocate(file, 0, static_cast<off_t>(free_bytes - room_bytes)), 0);
  ::close(file);
}

// What half-precision numbers mean, by their definition.
double value_of_f16(uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const double fraction = bits & 1023;
  const double magnitude = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
  return bits & 0x8000 ? -magnitude : magnitude;
}

} // namespace

// -- the image --------------------------------------------------------------------------------------------------------

TEST(Publisher, ImageHoldsEveryTensorAtItsPlace) {
  tests::temporary_folder home;
  shelf at(home / "store");
  checkpoint_folder model(home / "model");
  model.write();
  const auto done = at.publish(model.path());
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->entry.full_name(), "acme/m@1");
  EXPECT_EQ(done->entry.architecture, "bert-2x16-f32");
  EXPECT_EQ(done->entry.task, "embed");
  EXPECT_EQ(done->entry.shard_count, 4u);
  EXPECT_EQ(done->new_shards, 4u);
  EXPECT_EQ(done->new_bytes, done->entry.total_bytes);
  expect_whole(at, done->entry);
  const auto image = image_of(at, *done);
  expect_encoder(image, model, "", "weight", "bias");
  EXPECT_EQ(image.head.at("pooler.weight"), model.at("pooler.dense.weight").bytes);
  EXPECT_EQ(image.head.count("classifier.weight"), 0u);
}

TEST(Publisher, ClassifierWithPrefixAndOldNamesIsRead) {
  tests::temporary_folder home;
  shelf at(home / "store");
  checkpoint_folder model(home / "model", {.seed = 2, .prefix = "bert.", .labels = 3, .old_names = true});
  model.config["id2label"] = R"({"0":"a","1":"b","2":"c"})";
  model.write();
  const auto done = at.publish(model.path());
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->entry.task, "classify");
  EXPECT_EQ(done->set.job.labels, 3u);
  const auto image = image_of(at, *done);
  expect_encoder(image, model, "bert.", "gamma", "beta");
  EXPECT_EQ(image.head.at("classifier.weight"), model.at("classifier.weight").bytes);
  EXPECT_EQ(image.head.at("classifier.bias"), model.at("classifier.bias").bytes);
  EXPECT_EQ(image.head.at("pooler.bias"), model.at("bert.pooler.dense.bias").bytes);
}

TEST(Publisher, LabelNamesThatDoNotSuitTheClassifierAreRefused) {
  tests::temporary_folder home;
  checkpoint_folder model(home / "model", {.prefix = "bert.", .labels = 3});
  model.config["id2label"] = R"({"0":"a","1":"b"})";
  model.write();
  const auto plan = inspect(model.path());
  ASSERT_FALSE(plan);
  EXPECT_NE(plan.error().message.find("id2label has 2 names, but classifier.weight has 3"), std::string::npos)
      << plan.error().message;
}

TEST(Publisher, AModelWithoutAPoolerHasNoHeadShard) {
  tests::temporary_folder home;
  shelf at(home / "store");
  checkpoint_folder model(home / "model", {.pooler = false});
  model.write();
  const auto done = at.publish(model.path());
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->entry.shard_count, 3u);
  EXPECT_FALSE(done->set.job.has_pooler);
}

TEST(Publisher, TheCardSaysHowTheModelIsUsed) {
  tests::temporary_folder home;
  shelf at(home / "store");
  checkpoint_folder model(home / "model", {.prefix = "bert.", .labels = 2});
  model.config["id2label"] = R"({"0":"no","1":"yes"})";
  model.write();
  const auto done = at.publish(model.path());
  ASSERT_TRUE(done) << done.error().message;
  const auto parts = split_card(object_bytes(at, done->entry.card));
  ASSERT_TRUE(parts) << parts.error().message;
  EXPECT_EQ(parts->how.labels, (std::vector<std::string>{"no", "yes"}));
}

TEST(Publisher, BuffersAndHeadsOfPreTrainingAreLeftOut) {
  tests::temporary_folder home;
  shelf at(home / "store");
  checkpoint_folder plain(home / "plain", {.prefix = "bert."});
  plain.config["architectures"] = R"(["BertForMaskedLM"])";
  plain.write();
  checkpoint_folder model(home / "model", {.prefix = "bert."});
  model.config["architectures"] = R"(["BertForMaskedLM"])";
  model.tensors.insert(model.tensors.begin(),
                       {"bert.embeddings.position_ids", {"I64", {1, 32}, std::string(256, '\x7f')}});
  model.tensors.emplace_back("cls.predictions.bias", tests::f32_tensor({2}, {NAN, NAN}));
  model.write();
  const auto first = at.publish(plain.path());
  const auto second = at.publish(model.path());
  ASSERT_TRUE(first && second);
  EXPECT_EQ(second->entry.manifest, first->entry.manifest);
  EXPECT_EQ(second->new_shards, 0u);
}

TEST(Publisher, AShardedCheckpointGivesTheSameSetAsOneFile) {
  tests::temporary_folder home;
  shelf at(home / "store");
  checkpoint_folder model(home / "model");
  model.write();
  const auto one = at.publish(model.path());
  fs::remove(model.path() / "model.safetensors");
  std::string map;
  for (size_t i = 0, file = 0; i < model.tensors.size(); i += 13, ++file) {
    const auto end = std::min(i + 13, model.tensors.size());
    const tests::tensor_list part(model.tensors.begin() + static_cast<std::ptrdiff_t>(i),
                                  model.tensors.begin() + static_cast<std::ptrdiff_t>(end));
    const std::string name = "model-" + std::to_string(file) + ".safetensors";
    tests::write_file(model.path() / name, tests::safetensors_bytes(part));
    for (const auto& [tensor, data] : part) map += (map.empty() ? "\"" : ",\"") + tensor + "\":\"" + name + "\"";
  }
  tests::write_file(model.path() / "model.safetensors.index.json", R"({"metadata":{},"weight_map":{)" + map + "}}");
  const auto many = at.publish(model.path());
  ASSERT_TRUE(one && many) << many.error().message;
  EXPECT_EQ(many->entry.manifest, one->entry.manifest);
}

TEST(Publisher, HalfPrecisionBecomesTheSameNumbersInSinglePrecision) {
  tests::temporary_folder home;
  shelf at(home / "store");
  // Every finite half there is: 2 x 31 x 1024, as the word table of a larger vocabulary.
  std::vector<uint16_t> halves;
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    if ((bits & 0x7c00) != 0x7c00) halves.push_back(static_cast<uint16_t>(bits));
  }
  const uint64_t rows = halves.size() / checkpoint_folder::hidden;
  std::string bytes(halves.size() * 2, '\0');
  std::memcpy(bytes.data(), halves.data(), bytes.size());
  checkpoint_folder model(home / "model");
  model.config["vocab_size"] = std::to_string(rows);
  for (const std::string dtype : {"F16", "BF16"}) {
    model.at("embeddings.word_embeddings.weight") = {dtype, {rows, checkpoint_folder::hidden}, bytes};
    model.write();
    const auto done = at.publish(model.path());
    ASSERT_TRUE(done) << done.error().message;
    const auto word = image_of(at, *done).embeddings.at("word");
    for (size_t i = 0; i < halves.size(); ++i) {
      float read;
      std::memcpy(&read, word.data() + 4 * i, 4);
      const auto expected = dtype == "F16" ? static_cast<float>(value_of_f16(halves[i]))
                                           : std::bit_cast<float>(uint32_t{halves[i]} << 16);
      ASSERT_EQ(std::bit_cast<uint32_t>(read), std::bit_cast<uint32_t>(expected)) << dtype << " " << halves[i];
    }
  }
}

TEST(Publisher, HalfPrecisionInfinityAndNaNAreRefused) {
  tests::temporary_folder home;
  shelf at(home / "store");
  for (const auto& [dtype, bits] : {std::pair("F16", 0x7c00), {"F16", 0xfe00}, {"BF16", 0x7f80}, {"BF16", 0xffc0}}) {
    checkpoint_folder model(home / "model");
    const auto half = static_cast<uint16_t>(bits);
    std::string bytes(2 * checkpoint_folder::hidden, '\0');
    std::memcpy(bytes.data() + 6, &half, 2);
    model.at("pooler.dense.bias") = {dtype, {checkpoint_folder::hidden}, bytes};
    model.write();
    const auto done = at.publish(model.path());
    ASSERT_FALSE(done) << dtype << " " << bits;
    EXPECT_NE(done.error().message.find("NaN"), std::string::npos);
  }
}

TEST(Publisher, AShardOfSeveralChunksIsWhole) {
  tests::temporary_folder home;
  shelf at(home / "store");
  constexpr uint64_t rows = 150'001; // 9.6 MB: three chunks, boundaries inside a tensor
  checkpoint_folder model(home / "model");
  core::prng random(9);
  std::vector<float> values(rows * checkpoint_folder::hidden);
  for (float& v : values) v = static_cast<float>(random.unit());
  model.config["vocab_size"] = std::to_string(rows);
  model.at("embeddings.word_embeddings.weight") = tests::f32_tensor({rows, checkpoint_folder::hidden}, values);
  model.write();
  const auto done = at.publish(model.path());
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->set.shards[0].chunk_checksums.size(), 3u);
  expect_whole(at, done->entry);
  expect_encoder(image_of(at, *done), model, "", "weight", "bias");
}

// -- sharing, versions, refusals --------------------------------------------------------------------------------------

TEST(Publisher, FineTunesShareTheObjectsOfEqualLayers) {
  tests::temporary_folder home;
  shelf at(home / "store");
  checkpoint_folder model(home / "model");
  model.write();
  const auto first = at.publish(model.path(), "base");
  const auto objects = at.names_in("objects");
  auto& bias = model.at("encoder.layer.1.output.dense.bias");
  bias = tests::f32_tensor(bias.shape, std::vector<float>(checkpoint_folder::hidden, 0.25f));
  model.write();
  const auto second = at.publish(model.path(), "tuned");
  ASSERT_TRUE(first && second);
  EXPECT_EQ(second->new_shards, 1u);
  EXPECT_EQ(second->new_bytes, second->set.shards[2].size_bytes);
  for (const size_t shared : {0u, 1u, 3u})
    EXPECT_EQ(second->set.shards[shared].digest, first->set.shards[shared].digest);
  EXPECT_NE(second->set.shards[2].digest, first->set.shards[2].digest);
  EXPECT_EQ(at.names_in("objects").size(), objects.size() + 1);
  expect_whole(at, first->entry);
  expect_whole(at, second->entry);
}

TEST(Publisher, EqualLayersOfOneModelAreOneObject) {
  tests::temporary_folder home;
  shelf at(home / "store");
  checkpoint_folder model(home / "model");
  for (auto& [name, tensor] : model.tensors) {
    if (const auto layer = name.find("layer.1."); layer != std::string::npos) {
      tensor = model.at(std::string(name).replace(layer, 8, "layer.0."));
    }
  }
  model.write();
  const auto done = at.publish(model.path());
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->set.shards[1].digest, done->set.shards[2].digest);
  EXPECT_EQ(done->new_shards, 3u);
  EXPECT_EQ(at.names_in("objects").size(), 3u);
  expect_whole(at, done->entry);
}

TEST(Publisher, PublishingAgainIsANewVersionWithoutNewBytes) {
  tests::temporary_folder home;
  shelf at(home / "store");
  checkpoint_folder model(home / "model");
  model.write();
  ASSERT_TRUE(at.publish(model.path()));
  const auto again = at.publish(model.path());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->entry.full_name(), "acme/m@2");
  EXPECT_EQ(again->new_shards, 0u);
  EXPECT_EQ(again->new_bytes, 0u);
}

TEST(Publisher, RemovingTheFolderWithdrawsThePublication) {
  tests::temporary_folder home;
  shelf at(home / "store");
  checkpoint_folder model(home / "model");
  model.write();
  const publish_request request{
      .folder = model.path(), .tenant = "acme", .name = "m", .check_tokenizer = {}, .pack_card = {}};
  const auto done = publish(request, at.store, at.models, [&](const publish_progress&) {
    std::error_code unknown;
    fs::remove_all(model.path(), unknown); // what is open stays readable
  });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, core::errc::cancelled) << done.error().message;
  EXPECT_TRUE(at.models.all().value().empty());
}

TEST(Publisher, TheCardIsKeptAsAnObject) {
  tests::temporary_folder home;
  shelf at(home / "store");
  checkpoint_folder model(home / "model");
  model.write();
  publish_request request{
      .folder = model.path(), .tenant = "acme", .name = "m", .check_tokenizer = {}, .pack_card = {}};
  request.pack_card = [](const fs::path&) -> core::result<std::string> { return "the tokenizer"; };
  const auto done = publish(request, at.store, at.models);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->entry.card, sha256("the tokenizer"));
  EXPECT_EQ(tests::read_file(at.store.object_path(done->entry.card)), "the tokenizer");
  ASSERT_TRUE(at.store.collect_garbage(at.live()));
  EXPECT_TRUE(exists(at.store.object_path(done->entry.card)));
}

TEST(Publisher, ATokenizerThatIsRefusedRefusesTheModel) {
  tests::temporary_folder home;
  checkpoint_folder model(home / "model");
  model.write();
  const auto plan = inspect(model.path(), [](const fs::path&, uint32_t vocabulary) -> core::result<void> {
    EXPECT_EQ(vocabulary, checkpoint_folder::vocabulary);
    return core::fail(core::errc::invalid, "tokenizer.json: unknown");
  });
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().message, "tokenizer.json: unknown");
}

TEST(Publisher, AModelThatNoArenaCanHoldIsRefused) {
  tests::temporary_folder home;
  shelf at(home / "store");
  checkpoint_folder model(home / "model");
  model.write();
  publish_request request{
      .folder = model.path(), .tenant = "acme", .name = "m", .check_tokenizer = {}, .pack_card = {}};
  request.largest_arena_bytes = inspect(model.path())->total_bytes() - 1;
  const auto done = publish(request, at.store, at.models);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, core::errc::does_not_fit);
  ++request.largest_arena_bytes;
  EXPECT_TRUE(publish(request, at.store, at.models));
}

TEST(Publisher, BadNamesAreRefused) {
  tests::temporary_folder home;
  shelf at(home / "store");
  checkpoint_folder model(home / "model");
  model.write();
  for (const char* name : {"", "a@2", "../x", "a b"}) EXPECT_FALSE(at.publish(model.path(), name)) << name;
}

TEST(Publisher, SyntheticModelsAreModels) {
  tests::temporary_folder home;
  shelf at(home / "store");
  auto shape = synthetic_shape_named("tiny");
  ASSERT_TRUE(shape);
  ASSERT_TRUE(write_synthetic_model(home / "a", *shape, 1));
  ASSERT_TRUE(write_synthetic_model(home / "b", *shape, 2));
  EXPECT_NE(tests::read_file(home / "a/model.safetensors"), tests::read_file(home / "b/model.safetensors"));
  const auto done = at.publish(home / "a");
  ASSERT_TRUE(done) << done.error().message;
  ASSERT_TRUE(write_synthetic_model(home / "a", *shape, 1));
  EXPECT_EQ(at.publish(home / "a")->entry.manifest, done->entry.manifest) << "same seed, same model";
  shape->labels = 4;
  ASSERT_TRUE(write_synthetic_model(home / "c", *shape, 1));
  EXPECT_EQ(at.publish(home / "c")->set.job.labels, 4u);
  EXPECT_FALSE(synthetic_shape_named("gpt-9"));
}

// -- crashes and a full disk ------------------------------------------------------------------------------------------

TEST(Publisher, AKillAtAnyStepLeavesEarlierModelsWholeAndGarbageThatIsCollected) {
  tests::temporary_folder home;
  checkpoint_folder model(home / "model");
  model.write();
  catalogue_entry before;
  {
    shelf at(home / "store");
    before = at.publish(model.path(), "before")->entry;
  }
  checkpoint_folder other(home / "other", {.seed = 77});
  other.write();
  bool has_ended = false;
  for (int step = 0; !has_ended; ++step) {
    ASSERT_LT(step, 100);
    const int status = in_child([&] {
      shelf at(home / "store");
      int left = step;
      const auto done = at.publish(other.path(), "other", [&](const publish_progress&) {
        if (left-- == 0) ::raise(SIGKILL);
      });
      return done ? 0 : 1;
    });
    has_ended = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    ASSERT_TRUE(has_ended || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
        << "step " << step << " status " << status;

    shelf at(home / "store");
    ASSERT_EQ(at.models.all()->size(), has_ended ? 2u : 1u) << "step " << step;
    ASSERT_TRUE(at.store.collect_garbage(at.live()));
    EXPECT_TRUE(at.names_in("temp").empty());
    EXPECT_EQ(at.names_in("sets").size(), has_ended ? 2u : 1u);
    EXPECT_EQ(at.names_in("objects").size(), has_ended ? 8u : 4u);
    const auto entries = at.models.all();
    for (const auto& entry : *entries) expect_whole(at, entry);
    EXPECT_EQ(at.models.find("acme/before")->manifest, before.manifest);
  }
}

TEST(Publisher, AFullDiskIsDiskFullAndLeavesTheStoreAsItWas) {
  tests::temporary_folder home;
  checkpoint_folder small(home / "small");
  small.write();
  const auto shape = synthetic_shape_named("tiny");
  ASSERT_TRUE(write_synthetic_model(home / "large", *shape, 1));
  fs::create_directory(home / "disk");
  constexpr int cannot_mount = 77;
  const int status = in_child([&] {
    const bool is_root = ::geteuid() == 0;
    if (::unshare(is_root ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) != 0) return cannot_mount;
    if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return cannot_mount;
    if (::mount("none", (home / "disk").c_str(), "tmpfs", 0, "size=1m") != 0) return cannot_mount;
    shelf at(home / "disk/store");
    const auto first = at.publish(small.path(), "small");
    EXPECT_TRUE(first) << first.error().message;
    const auto objects = at.names_in("objects"), sets = at.names_in("sets");
    // A page more of room every time, so that the disk is full at every step of the publication, until all of it fits.
    bool has_fitted = false;
    for (uint64_t room = 0; !has_fitted && room < 256 << 10; room += 4 << 10) {
      leave_room(home / "disk", room);
      const auto done = at.publish(home / "large", "large");
      has_fitted = done.has_value();
      if (has_fitted) break;
      EXPECT_EQ(done.error().code, core::errc::disk_full) << done.error().message;
      EXPECT_EQ(at.names_in("objects"), objects) << room;
      EXPECT_EQ(at.names_in("sets"), sets) << room;
      EXPECT_TRUE(at.names_in("temp").empty()) << room;
      EXPECT_EQ(at.models.all()->size(), 1u) << room;
    }
    EXPECT_TRUE(has_fitted);
    expect_whole(at, first->entry);
    expect_whole(at, *at.models.find("acme/large"));
    return testing::Test::HasFailure() ? 1 : 0;
  });
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == cannot_mount) GTEST_SKIP() << "needs the right to mount a tmpfs in a namespace of its own";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Publisher, AFailureTakesBackOnlyWhatThePublicationBrought) {
  tests::temporary_folder home;
  shelf at(home / "store");
  checkpoint_folder model(home / "model");
  model.write();
  const auto first = at.publish(model.path(), "first");
  ASSERT_TRUE(first);
  const auto objects = at.names_in("objects");
  auto& bias = model.at("encoder.layer.0.output.dense.bias");
  bias = tests::f32_tensor(bias.shape, std::vector<float>(checkpoint_folder::hidden, 0.5f));
  auto& pooler = model.at("pooler.dense.bias"); // the last shard
  pooler = tests::f32_tensor(pooler.shape, std::vector<float>(checkpoint_folder::hidden, NAN));
  model.write();
  EXPECT_FALSE(at.publish(model.path(), "second"));
  EXPECT_EQ(at.names_in("objects"), objects);
  expect_whole(at, first->entry);
}

} // namespace fastptm::weights
