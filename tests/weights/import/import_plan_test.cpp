// What a folder's files together make of it: the task, what is left out, where the files lie.
#include "weights/import/import_plan.hpp"

#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "tests/support/checkpoint_folder.hpp"
#include "tests/support/temporary_folder.hpp"

namespace fastptm::weights {

using tests::checkpoint_folder;

TEST(ImportPlan, AConfigurationWithoutClassesDescribesTheEncoderAndKnownHeadsAreLeftOut) {
  tests::temporary_folder home;
  checkpoint_folder model(home / "model", {.prefix = "bert."});
  for (const char* head : {"cls.predictions.bias", "cls.predictions.transform.LayerNorm.gamma",
                           "cls.predictions.decoder.weight", "cls.seq_relationship.bias"})
    model.tensors.emplace_back(head, tests::f32_tensor({2}, {NAN, NAN}));
  for (const char* classes : {"", "[]", "null", R"(["BertForPreTraining"])", R"(["BertModel"])"}) {
    model.config.erase("architectures");
    if (*classes) model.config["architectures"] = classes;
    model.write();
    const auto plan = inspect(model.path());
    ASSERT_TRUE(plan) << classes << ": " << plan.error().message;
    EXPECT_EQ(plan->job.kind, models::task_kind::embed);
    ASSERT_EQ(plan->notes.size(), 1u) << classes;
    EXPECT_NE(plan->notes.front().find("4 tensors"), std::string::npos) << plan->notes.front();
  }
}

TEST(ImportPlan, ATypeThatIsNotNamedIsKnownByThePrefixOfTheTensors) {
  tests::temporary_folder home;
  checkpoint_folder model(home / "model", {.prefix = "bert."});
  model.config.erase("model_type");
  model.config.erase("architectures");
  model.write();
  EXPECT_TRUE(inspect(model.path()));
}

TEST(ImportPlan, KeysThatAreLeftOutHaveTheLibrarysDefaults) {
  tests::temporary_folder home;
  checkpoint_folder model(home / "model");
  model.write();
  const auto spelled = inspect(model.path());
  for (const char* key : {"hidden_act", "layer_norm_eps", "type_vocab_size"}) model.config.erase(key);
  model.write();
  const auto left_out = inspect(model.path());
  ASSERT_TRUE(spelled && left_out);
  EXPECT_EQ(left_out->arch, spelled->arch);
}

TEST(ImportPlan, AFolderWhoseModulesPoolIsEmbeddedWhateverWasTrainedOnTop) {
  tests::temporary_folder home;
  checkpoint_folder model(home / "model", {.prefix = "bert.", .labels = 3});
  model.write();
  tests::write_file(model.path() / "modules.json",
                    R"([{"path": "", "type": "sentence_transformers.models.Transformer"},
                        {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}])");
  tests::write_file(model.path() / "1_Pooling/config.json", R"({"pooling_mode_max_tokens": true})");
  const auto plan = inspect(model.path());
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->job.kind, models::task_kind::embed);
  EXPECT_EQ(plan->job.pool, models::pooling::max);
  EXPECT_EQ(plan->notes.size(), 1u);
}

TEST(ImportPlan, ATransformerInAFolderOfItsOwnIsTheSameModel) {
  tests::temporary_folder home;
  checkpoint_folder nested(home / "nested/0_Transformer");
  nested.write();
  tests::write_file(home / "nested/modules.json",
                    R"([{"path": "0_Transformer", "type": "sentence_transformers.models.Transformer"}])");
  const auto plan = inspect(home / "nested");
  ASSERT_TRUE(plan) << plan.error().message;
  std::set<std::string> uploads;
  for (const auto& file : plan->uploads) uploads.insert(file.path);
  EXPECT_EQ(uploads,
            (std::set<std::string>{"modules.json", "0_Transformer/config.json", "0_Transformer/model.safetensors"}));
  EXPECT_EQ(plan->transformer_folder, "0_Transformer");
}

} // namespace fastptm::weights
