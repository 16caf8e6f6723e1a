// Pooling and input length from sentence-transformers folders, and the refusal of what would be guessed otherwise.
#include "weights/import/model_card.hpp"

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
    facts_.features = 384;
    facts_.positions = 512;
  }
  ~ModelCard() override { fs::remove_all(folder_); }

  void put(const std::string& name, const std::string& text) {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }

  core::result<model_card> attempt() {
    auto modules = read_module_list(folder_);
    if (!modules) return core::fail(modules.error());
    return read_model_card(folder_, *modules, facts_, models::task_kind::embed);
  }

  model_card read() {
    auto card = attempt();
    EXPECT_TRUE(card) << card.error().message;
    return card ? *card : model_card{};
  }

  std::string refusal() {
    auto card = attempt();
    if (card) return "accepted";
    EXPECT_EQ(card.error().code, core::errc::invalid) << card.error().message;
    return card.error().message;
  }

  fs::path folder_;
  models::model_facts facts_;
};

TEST_F(ModelCard, OfABareFolderIsMeanPoolingAsLongAsThereArePositions) {
  const model_card card = read();
  EXPECT_EQ(card.pool, models::pooling::mean);
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
  EXPECT_EQ(card.pool, models::pooling::mean);
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
  const std::pair<const char*, models::pooling> modes[] = {
      {"pooling_mode_mean_tokens", models::pooling::mean},
      {"pooling_mode_cls_token", models::pooling::cls},
      {"pooling_mode_max_tokens", models::pooling::max},
      {"pooling_mode_mean_sqrt_len_tokens", models::pooling::mean_sqrt_len}};
  put("modules.json", all_modules);
  for (const auto& [flag, expected] : modes) {
    put("1_Pooling/config.json", std::string(R"({"word_embedding_dimension": 384, ")") + flag + R"(": true})");
    EXPECT_EQ(read().pool, expected) << flag;
  }
  put("1_Pooling/config.json", R"({"pooling_mode": "cls"})");
  EXPECT_EQ(read().pool, models::pooling::cls);
}

TEST_F(ModelCard, TakesThePoolingFromItsFolderEvenWithoutModules) {
  put("1_Pooling/config.json", R"({"pooling_mode_cls_token": true})");
  EXPECT_EQ(read().pool, models::pooling::cls);
}

TEST_F(ModelCard, FollowsModulesToAPoolingFolderOfAnotherName) {
  put("modules.json", "[" + module("Transformer", "") + "," + module("Pooling", "2_Max") + "]");
  put("2_Max/config.json", R"({"pooling_mode_max_tokens": true})");
  EXPECT_EQ(read().pool, models::pooling::max);
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
      {R"({"pooling_mode": ["mean", "max"]})", "lists 2 modes: joined"},
      {R"({"pooling_mode": "mean", "learned_weights": [1, 2]})", "learned_weights"},
      {R"({"pooling_mode": "mean", "include_prompt": "no"})", "include_prompt"},
      {R"({"pooling_mode": "mean", "embedding_dimension": 768})", "embedding_dimension"},
  };
  for (const auto& [text, reason] : cases) {
    put("1_Pooling/config.json", text);
    EXPECT_THAT(refusal(), HasSubstr(reason)) << text;
  }
}

TEST_F(ModelCard, ReadsAFolderAsTheNewestLibraryWritesIt) {
  put("modules.json",
      R"([{"idx":0,"name":"0","path":"","type":"sentence_transformers.base.modules.transformer.Transformer"},
    {"idx":1,"name":"1","path":"1_Pooling","type":"sentence_transformers.sentence_transformer.modules.pooling.Pooling"},
    {"idx":2,"name":"2","path":"2_Normalize","type":"sentence_transformers.base.modules.normalize.Normalize"}])");
  put("1_Pooling/config.json", R"({"embedding_dimension": 384, "pooling_mode": ["max"], "include_prompt": true})");
  put("sentence_bert_config.json",
      R"({"transformer_task": "feature-extraction", "module_output_name": "token_embeddings",
    "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}})");
  const model_card card = read();
  EXPECT_EQ(card.pool, models::pooling::max);
  EXPECT_TRUE(card.normalize);
}

TEST_F(ModelCard, PoolsByTheMeanWhereTheModuleDoesNotSay) {
  put("1_Pooling/config.json", R"({"word_embedding_dimension": 384})");
  EXPECT_EQ(read().pool, models::pooling::mean);
}

TEST_F(ModelCard, FindsTheTransformerInItsOwnFolder) {
  put("modules.json", "[" + module("Transformer", "0_Transformer") + "," + module("Pooling", "1_Pooling") + "]");
  put("1_Pooling/config.json", pooling_mean);
  put("0_Transformer/sentence_bert_config.json", R"({"max_seq_length": 77})");
  put("sentence_bert_config.json", R"({"max_seq_length": 99})");
  EXPECT_EQ(read().max_tokens, 77u);
  EXPECT_EQ(read_module_list(folder_)->transformer_folder, "0_Transformer");
}

TEST_F(ModelCard, RefusesWhatTheTransformerIsToldAndWeDoNot) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"model_args": {"num_hidden_layers": 1}})", "num_hidden_layers"},
      {R"({"tokenizer_args": {"truncation_side": "left"}})", "truncation_side"},
      {R"({"transformer_task": "fill-mask"})", "fill-mask"},
      {R"({"modality_config": {"image": {}}})", "modality_config"},
      {R"({"modality_config": {"text": {"method_output_name": "pooler_output"}}})", "pooler_output"},
      {R"({"query_expansion": true})", "query_expansion"},
  };
  for (const auto& [text, reason] : cases) {
    put("sentence_bert_config.json", text);
    EXPECT_THAT(refusal(), HasSubstr(reason)) << text;
  }
}

TEST_F(ModelCard, TakesArgumentsThatChangeNoNumber) {
  put("sentence_bert_config.json",
      R"({"model_args": {"attn_implementation": "sdpa"}, "tokenizer_args": {}, "config_args": null})");
  EXPECT_EQ(read().max_tokens, 512u);
}

TEST_F(ModelCard, ALinkWhoseFileHasNotComeIsNoMissingFile) {
  put("modules.json", all_modules);
  fs::create_directories(folder_ / "1_Pooling");
  fs::create_symlink("../blobs/missing", folder_ / "1_Pooling/config.json");
  EXPECT_THAT(refusal(), HasSubstr("the download is not complete"));
}

// -- prompts ----------------------------------------------------------------------------------------------------------

TEST_F(ModelCard, KnowsThePromptsOfItsFolder) {
  put("config_sentence_transformers.json",
      R"({"prompts": {"query": "query: ", "doc": null}, "default_prompt_name": "query", "similarity_fn_name": "cosine"})");
  const usage how = read().how;
  EXPECT_EQ(*prompt_named(how, ""), "query: ");
  EXPECT_EQ(*prompt_named(how, "query"), "query: ");
  EXPECT_EQ(*prompt_named(how, "doc"), "");
  EXPECT_EQ(*prompt_named(how, "document"), ""); // of the library's own
}

TEST_F(ModelCard, HasNoPromptUnlessOneIsTheDefault) {
  put("config_sentence_transformers.json", R"({"prompts": {"query": "query: "}, "default_prompt_name": null})");
  EXPECT_EQ(*prompt_named(read().how, ""), "");
}

TEST_F(ModelCard, NamesItsPromptsWhenAskedForAnother) {
  put("config_sentence_transformers.json", R"({"prompts": {"passage": "passage: "}})");
  const auto missing = prompt_named(read().how, "passages");
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, HasSubstr("'passages': the model has document, passage, query"));
}

TEST_F(ModelCard, RefusesPromptsThatAreNone) {
  const std::string long_text(max_prompt_bytes + 1, 'x');
  const std::pair<std::string, const char*> cases[] = {
      {R"({"prompts": ["query: "]})", "prompts must be an object"},
      {R"({"prompts": {"query": 7}})", "'query' is an integer"},
      {R"({"prompts": {"": "x"}})", "a name of 0 bytes"},
      {R"({"prompts": {"q": ")" + long_text + R"("}})", "'q' has 8193 bytes"},
      {R"({"prompts": {"q": "x"}, "default_prompt_name": "r"})", "no prompt 'r'"},
      {R"({"default_prompt_name": 7})", "default_prompt_name is an integer"},
      {R"({"model_type": "SparseEncoder"})", "SparseEncoder"},
      {R"([])", "expected an object"},
  };
  for (const auto& [text, reason] : cases) {
    put("config_sentence_transformers.json", text);
    EXPECT_THAT(refusal(), HasSubstr(reason)) << text.substr(0, 80);
  }
}

TEST_F(ModelCard, LeavesThePromptsTokensOutOfThePoolingWhereItIsToldTo) {
  put("modules.json", all_modules);
  put("1_Pooling/config.json", R"({"pooling_mode": "mean", "include_prompt": false})");
  EXPECT_TRUE(read().how.pools_prompt); // there is no prompt to leave out
  put("config_sentence_transformers.json", R"({"prompts": {"query": "query: "}})");
  EXPECT_FALSE(read().how.pools_prompt);
  put("1_Pooling/config.json", R"({"pooling_mode": "cls", "include_prompt": false})");
  EXPECT_THAT(refusal(), HasSubstr("include_prompt"));
}

TEST_F(ModelCard, RefusesAPoolingModuleWithoutItsConfiguration) {
  put("modules.json", all_modules);
  EXPECT_THAT(refusal(), HasSubstr("1_Pooling/config.json: missing"));
}

} // namespace
} // namespace fastptm::weights
