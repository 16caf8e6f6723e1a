// Pooling and input length from sentence-transformers folders, and the refusal of what would be guessed otherwise.
#include "weights/model_card.hpp"

#include <fstream>

#include <gmock/gmock.h>
#include <unistd.h>

namespace fastptm::weights {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const std::string pooling_mean = R"({"word_embedding_dimension": 384, "pooling_mode_cls_token": false,
  "pooling_mode_mean_tokens": true, "pooling_mode_max_tokens": false, "pooling_mode_mean_sqrt_len_tokens": false})";

std::string module(const std::string& kind, const std::string& path) {
  return R"({"idx": 0, "name": "0", "path": ")" + path + R"(", "type": "sentence_transformers.models.)" + kind +
         R"("})";
}
const std::string all_modules = "[" + module("Transformer", "") + "," + module("Pooling", "1_Pooling") + "," +
                                module("Normalize", "2_Normalize") + "]";

class ModelCard : public testing::Test {
protected:
  ModelCard() {
    std::string pattern = (fs::temp_directory_path() / "model-card-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    arch_.hidden = 384;
    arch_.positions = 512;
  }
  ~ModelCard() override { fs::remove_all(folder_); }

  void put(const std::string& name, const std::string& text) {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }

  model_card read() {
    auto card = read_model_card(folder_, arch_);
    EXPECT_TRUE(card) << card.error().message;
    return card ? *card : model_card{};
  }

  std::string refusal() {
    auto card = read_model_card(folder_, arch_);
    if (card) return "accepted";
    EXPECT_EQ(card.error().code, core::errc::invalid) << card.error().message;
    return card.error().message;
  }

  fs::path folder_;
  architecture arch_;
};

TEST_F(ModelCard, OfABareFolderIsMeanPoolingAsLongAsThereArePositions) {
  const model_card card = read();
  EXPECT_EQ(card.pool, pooling::mean);
  EXPECT_FALSE(card.normalize);
  EXPECT_EQ(card.max_tokens, 512u);
  EXPECT_TRUE(card.files.empty());
}

TEST_F(ModelCard, ReadsAWholeSentenceTransformersFolder) {
  put("modules.json", all_modules);
  put("1_Pooling/config.json", pooling_mean);
  put("sentence_bert_config.json", R"({"max_seq_length": 256, "do_lower_case": false})");
  put("tokenizer_config.json", R"({"model_max_length": 400})");
  const model_card card = read();
  EXPECT_EQ(card.pool, pooling::mean);
  EXPECT_TRUE(card.normalize);
  EXPECT_EQ(card.max_tokens, 256u);
  EXPECT_THAT(card.files, testing::ElementsAre("modules.json", "1_Pooling/config.json", "sentence_bert_config.json"));
}

TEST_F(ModelCard, DoesNotNormaliseWithoutTheModule) {
  put("modules.json", "[" + module("Transformer", "") + "," + module("Pooling", "1_Pooling") + "]");
  put("1_Pooling/config.json", pooling_mean);
  EXPECT_FALSE(read().normalize);
}

TEST_F(ModelCard, KnowsEveryPoolingWeCompute) {
  const std::pair<const char*, pooling> modes[] = {{"pooling_mode_mean_tokens", pooling::mean},
                                                   {"pooling_mode_cls_token", pooling::cls},
                                                   {"pooling_mode_max_tokens", pooling::max},
                                                   {"pooling_mode_mean_sqrt_len_tokens", pooling::mean_sqrt_len}};
  put("modules.json", all_modules);
  for (const auto& [flag, expected] : modes) {
    put("1_Pooling/config.json", std::string(R"({"word_embedding_dimension": 384, ")") + flag + R"(": true})");
    EXPECT_EQ(read().pool, expected) << flag;
  }
  put("1_Pooling/config.json", R"({"pooling_mode": "cls"})");
  EXPECT_EQ(read().pool, pooling::cls);
}

TEST_F(ModelCard, TakesThePoolingFromItsFolderEvenWithoutModules) {
  put("1_Pooling/config.json", R"({"pooling_mode_cls_token": true})");
  EXPECT_EQ(read().pool, pooling::cls);
}

TEST_F(ModelCard, FollowsModulesToAPoolingFolderOfAnotherName) {
  put("modules.json", "[" + module("Transformer", "") + "," + module("Pooling", "2_Max") + "]");
  put("2_Max/config.json", R"({"pooling_mode_max_tokens": true})");
  EXPECT_EQ(read().pool, pooling::max);
}

TEST_F(ModelCard, NeverAllowsMoreTokensThanPositions) {
  put("sentence_bert_config.json", R"({"max_seq_length": 1024})");
  EXPECT_EQ(read().max_tokens, 512u);
}

TEST_F(ModelCard, UnderstandsNoLimitAsWrittenByTheTokenizersLibrary) {
  put("sentence_bert_config.json", R"({"max_seq_length": null})");
  put("tokenizer_config.json", R"({"model_max_length": 1000000000000000019884624838656})");
  EXPECT_EQ(read().max_tokens, 512u);
  put("tokenizer_config.json", R"({"model_max_length": 128})");
  EXPECT_EQ(read().max_tokens, 128u);
}

TEST_F(ModelCard, RefusesLengthsThatAreNone) {
  for (const char* length : {"0", "-3", "\"many\"", "true"}) {
    put("sentence_bert_config.json", std::string(R"({"max_seq_length": )") + length + "}");
    EXPECT_THAT(refusal(), HasSubstr("max_seq_length")) << length;
  }
}

TEST_F(ModelCard, RefusesModulesThatAreNoJson) {
  put("modules.json", "{{{{");
  EXPECT_THAT(refusal(), HasSubstr("modules.json"));
}

TEST_F(ModelCard, RefusesPathsThatLeadOutOfTheFolder) {
  put("1_Pooling/config.json", pooling_mean);
  for (const char* path : {"../../etc", "/etc", "..", ".", "a/b", "a\\\\b", "with space"}) {
    put("modules.json", "[" + module("Transformer", "") + "," + module("Pooling", path) + "]");
    EXPECT_THAT(refusal(), HasSubstr("modules.json: path")) << path;
  }
}

TEST_F(ModelCard, RefusesUnknownModulesByName) {
  put("1_Pooling/config.json", pooling_mean);
  put("modules.json", R"([{"path": "", "type": "os.system.evil"}])");
  EXPECT_THAT(refusal(), HasSubstr("os.system.evil"));
  put("modules.json",
      "[" + module("Transformer", "") + "," + module("Pooling", "1_Pooling") + "," + module("Dense", "2_Dense") + "]");
  EXPECT_THAT(refusal(), HasSubstr("Dense"));
}

TEST_F(ModelCard, RefusesModulesOutOfOrder) {
  put("1_Pooling/config.json", pooling_mean);
  put("modules.json",
      "[" + module("Transformer", "") + "," + module("Normalize", "2") + "," + module("Pooling", "1_Pooling") + "]");
  EXPECT_THAT(refusal(), HasSubstr("Normalize"));
}

TEST_F(ModelCard, RefusesAPoolingConfigurationOfJunkWhateverModulesSay) {
  put("1_Pooling/config.json", std::string("\0\1\2", 3));
  EXPECT_THAT(refusal(), HasSubstr("1_Pooling/config.json"));
  put("modules.json", "[" + module("Transformer", "") + "," + module("Pooling", "2_Max") + "]");
  put("2_Max/config.json", R"({"pooling_mode_max_tokens": true})");
  EXPECT_THAT(refusal(), HasSubstr("1_Pooling/config.json"));
}

TEST_F(ModelCard, RefusesPoolingsThatItCannotCompute) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"pooling_mode_mean_tokens": true, "pooling_mode_max_tokens": true})", "both"},
      {R"({"pooling_mode_lasttoken": true})", "lasttoken"},
      {R"({"pooling_mode_mean_tokens": false})", "no pooling mode"},
      {R"({"pooling_mode_mean_tokens": "yes"})", "pooling_mode_mean_tokens"},
      {R"({"pooling_mode": "lasttoken"})", "lasttoken"},
      {R"({"pooling_mode": 7})", "pooling_mode"},
      {R"({"word_embedding_dimension": 768, "pooling_mode_mean_tokens": true})", "word_embedding_dimension"},
      {R"([])", "expected an object"},
  };
  for (const auto& [text, reason] : cases) {
    put("1_Pooling/config.json", text);
    EXPECT_THAT(refusal(), HasSubstr(reason)) << text;
  }
}

TEST_F(ModelCard, RefusesAPoolingModuleWithoutItsConfiguration) {
  put("modules.json", all_modules);
  EXPECT_THAT(refusal(), HasSubstr("1_Pooling/config.json: missing"));
}

} // namespace
} // namespace fastptm::weights
