// What people hand in instead of a model folder: each refusal says what to give.
#include "weights/import/folder_advice.hpp"

#include <gmock/gmock.h>

#include "tests/support/checkpoint_folder.hpp"
#include "tests/support/temporary_folder.hpp"
#include "weights/import/import_plan.hpp"

namespace fastptm::weights {

namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using tests::checkpoint_folder;
using tests::write_file;

class FolderAdvice : public testing::Test {
protected:
  std::string refusal_of(const fs::path& given) {
    const auto plan = inspect(given);
    if (plan) return "accepted";
    EXPECT_EQ(plan.error().message.find('\n'), std::string::npos);
    EXPECT_LE(plan.error().message.size(), 480u) << plan.error().message;
    return plan.error().message;
  }

  // A folder as the hub's cache has it: snapshots of links into blobs.
  fs::path cache_with(const std::vector<std::string>& snapshots, const std::string& main) {
    const fs::path root = home_ / "models--org--name";
    for (const auto& name : snapshots) {
      checkpoint_folder(root / "snapshots" / name).write();
    }
    if (!main.empty()) write_file(root / "refs/main", main);
    return root;
  }

  // A model whose weights are these files instead.
  std::string refusal_with(const std::vector<std::string>& names) {
    const fs::path folder = home_ / "model";
    fs::remove_all(folder);
    checkpoint_folder(folder).write_config();
    for (const auto& name : names) write_file(folder / name, "x");
    return refusal_of(folder);
  }

  tests::temporary_folder home_;
};

std::string pointer_text() {
  return "version https://git-lfs.github.com/spec/v1\noid sha256:" + std::string(64, '5') + "\nsize 90868376\n";
}

} // namespace

TEST_F(FolderAdvice, OfACachesRootNamesTheSnapshot) {
  const auto root = cache_with({"abc123"}, "");
  EXPECT_THAT(refusal_of(root), HasSubstr((root / "snapshots/abc123").string()));
  EXPECT_THAT(refusal_of(root / "snapshots"), HasSubstr((root / "snapshots/abc123").string()));
  EXPECT_THAT(refusal_of(home_.path()), HasSubstr((root / "snapshots/HASH").string()));
}

TEST_F(FolderAdvice, OfSeveralSnapshotsNamesTheOneThatIsMain) {
  const auto root = cache_with({"abc123", "def456"}, "def456\n");
  EXPECT_THAT(refusal_of(root), HasSubstr((root / "snapshots/def456").string()));
  write_file(root / "refs/main", "../../../etc");
  EXPECT_THAT(refusal_of(root), AllOf(HasSubstr("2 snapshots"), HasSubstr((root / "snapshots").string())));
}

TEST_F(FolderAdvice, FindsTheModelOneFolderBelow) {
  checkpoint_folder(home_ / "unpacked/model").write();
  EXPECT_THAT(refusal_of(home_ / "unpacked"), HasSubstr((home_ / "unpacked/model").string()));
  checkpoint_folder(home_ / "unpacked/other").write();
  EXPECT_THAT(refusal_of(home_ / "unpacked"), HasSubstr("give one of those"));
}

TEST_F(FolderAdvice, OfAnEmptyFolderOrAFileSaysSo) {
  fs::create_directory(home_ / "empty");
  EXPECT_THAT(refusal_of(home_ / "empty"), HasSubstr("the folder is empty"));
  checkpoint_folder(home_ / "model").write();
  EXPECT_THAT(refusal_of(home_ / "model/model.safetensors"), HasSubstr("give the folder around it"));
}

TEST_F(FolderAdvice, OfPickledWeightsSaysHowToConvert) {
  EXPECT_THAT(refusal_with({"pytorch_model.bin"}),
              AllOf(HasSubstr("pytorch_model.bin"), HasSubstr("safetensors.torch"), HasSubstr("python3 -c")));
  EXPECT_THAT(refusal_with({"pytorch_model-00001-of-00002.bin", "pytorch_model.bin.index.json"}),
              HasSubstr("pytorch_model-00001-of-00002.bin"));
}

TEST_F(FolderAdvice, NamesWeightsOfOtherFormats) {
  for (const char* name : {"tf_model.h5", "flax_model.msgpack", "bert_model.ckpt.index", "model.ckpt-1.data", "q4.gguf",
                           "model.onnx", "onnx/model.onnx", "openvino/openvino_model.xml", "rust_model.ot"})
    EXPECT_THAT(refusal_with({name}), AllOf(HasSubstr(std::string(name).substr(0, 4)), HasSubstr("save_pretrained")));
}

TEST_F(FolderAdvice, NamesSafetensorsOfAnotherNameAndPartsWithoutTheirIndex) {
  EXPECT_THAT(refusal_with({"model.fp16.safetensors"}), HasSubstr("model.fp16.safetensors is not read"));
  EXPECT_THAT(refusal_with({"model-00001-of-00002.safetensors"}), HasSubstr("model.safetensors.index.json"));
}

TEST_F(FolderAdvice, OfAnAdapterSaysThatItIsNoModelAlone) {
  const fs::path folder = home_ / "adapter";
  write_file(folder / "adapter_config.json", "{}");
  write_file(folder / "adapter_model.safetensors", "x");
  EXPECT_THAT(refusal_of(folder), AllOf(HasSubstr("adapter_config.json"), HasSubstr("merge_and_unload")));
}

TEST_F(FolderAdvice, OfALinkIntoACacheThatIsNotThereSaysThatTheDownloadIsNotComplete) {
  checkpoint_folder model(home_ / "model");
  model.write();
  fs::remove(model.path() / "model.safetensors");
  fs::create_symlink("../blobs/missing", model.path() / "model.safetensors");
  EXPECT_THAT(refusal_of(model.path()), HasSubstr("the download is not complete"));
}

TEST_F(FolderAdvice, AnyFileMayBeAPointerOfGitLfs) {
  for (const char* name :
       {"config.json", "model.safetensors", "modules.json", "tokenizer.json", "vocab.txt", "special_tokens_map.json"}) {
    fs::remove_all(home_ / "model");
    checkpoint_folder model(home_ / "model");
    model.write();
    write_file(model.path() / name, pointer_text());
    EXPECT_THAT(refusal_of(model.path()),
                AllOf(HasSubstr(name), HasSubstr("Git LFS pointer"), HasSubstr("git lfs pull")));
  }
}

} // namespace fastptm::weights
