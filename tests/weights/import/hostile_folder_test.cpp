// Model folders with one thing wrong: each is refused with one line that names it, quickly and in little memory.
#include "weights/import/import_plan.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <regex>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/checkpoint_folder.hpp"
#include "tests/support/temporary_folder.hpp"
#include "weights/store/content_store.hpp"
#include "weights/store/publisher.hpp"

namespace fastptm::weights {

namespace {

namespace fs = std::filesystem;
using tests::checkpoint_folder;
using tests::header_entry;
using tests::safetensors_bytes;
using tests::write_file;
using namespace std::string_literals;

const std::string word = "embeddings.word_embeddings.weight";
const std::string query = "encoder.layer.0.attention.self.query.weight";
const std::string query_bias = "encoder.layer.0.attention.self.query.bias";
const std::string key_bias = "encoder.layer.0.attention.self.key.bias";

struct hostile_case {
  std::string name;
  std::string reason; // what the refusal must mention, as a regular expression
  std::function<void(checkpoint_folder&)> spoil;
};

void PrintTo(const hostile_case& value, std::ostream* out) {
  *out << value.name;
}

class HostileFolder : public testing::TestWithParam<hostile_case> {};

// -- ways to spoil ----------------------------------------------------------------------------------------------------

fs::path weights_of(const checkpoint_folder& model) {
  return model.path() / "model.safetensors";
}

hostile_case file_case(std::string name, std::string reason,
                       std::function<std::string(const checkpoint_folder&)> bytes) {
  return {std::move(name), std::move(reason),
          [bytes](checkpoint_folder& model) { write_file(weights_of(model), bytes(model)); }};
}

// The header is this text, the data are those of the good model.
hostile_case header_case(std::string name, std::string reason, std::function<std::string(std::string)> change) {
  return file_case(std::move(name), std::move(reason), [change](const checkpoint_folder& model) {
    return safetensors_bytes(change(header_text(header_of(model.tensors))), data_of(model.tensors));
  });
}

hostile_case entry_case(std::string name, std::string reason, std::function<void(header_entry&)> change) {
  return file_case(std::move(name), std::move(reason), [change](const checkpoint_folder& model) {
    auto entries = header_of(model.tensors);
    for (auto& entry : entries) {
      if (entry.name == word) change(entry);
    }
    return safetensors_bytes(header_text(entries), data_of(model.tensors));
  });
}

hostile_case field_case(std::string name, std::string reason, std::string field, std::string value) {
  return entry_case(std::move(name), std::move(reason), [=](header_entry& entry) { entry.fields[field] = value; });
}

hostile_case tensor_case(std::string name, std::string reason, std::function<void(checkpoint_folder&)> change) {
  return {std::move(name), std::move(reason), [change](checkpoint_folder& model) {
            change(model);
            model.write();
          }};
}

hostile_case config_case(std::string name, std::string reason, std::string key, std::string value) {
  return {std::move(name), std::move(reason), [=](checkpoint_folder& model) {
            if (value.empty())
              model.config.erase(key);
            else
              model.config[key] = value;
            model.write_config();
          }};
}

hostile_case config_file_case(std::string name, std::string bytes) {
  return {std::move(name), "config",
          [=](checkpoint_folder& model) { write_file(model.path() / "config.json", bytes); }};
}

// Something else lies where a file should be.
hostile_case place_case(std::string name, std::string reason, std::string file,
                        std::function<void(const fs::path&)> put) {
  return {std::move(name), std::move(reason), [=](checkpoint_folder& model) {
            fs::remove_all(model.path() / file);
            put(model.path() / file);
          }};
}

// A model in two files and an index, whose text `change` makes from tensor -> file.
using weight_map = std::map<std::string, std::string>;
hostile_case index_case(std::string name, std::string reason, std::function<std::string(weight_map)> make,
                        bool one_twice = false) {
  return {std::move(name), std::move(reason), [=](checkpoint_folder& model) {
            tests::tensor_list first(model.tensors.begin(), model.tensors.begin() + 20);
            tests::tensor_list second(model.tensors.begin() + 20, model.tensors.end());
            if (one_twice) second.push_back(model.tensors.front());
            fs::remove(weights_of(model));
            write_file(model.path() / "part-1.safetensors", safetensors_bytes(first));
            write_file(model.path() / "part-2.safetensors", safetensors_bytes(second));
            weight_map map;
            for (const auto& [tensor, data] : first) map[tensor] = R"("part-1.safetensors")";
            for (const auto& [tensor, data] : second) map[tensor] = R"("part-2.safetensors")";
            write_file(model.path() / "model.safetensors.index.json", make(map));
          }};
}

std::string index_text(const weight_map& map) {
  std::string text;
  for (const auto& [tensor, file] : map) text += fmt::format("{}\"{}\":{}", text.empty() ? "" : ",", tensor, file);
  return R"({"metadata":{"total_size":1},"weight_map":{)" + text + "}}";
}

hostile_case index_entry_case(std::string name, std::string file) {
  return index_case(std::move(name), "plain file name without a path", [=](weight_map map) {
    map[word] = file;
    return index_text(map);
  });
}

std::string replaced(std::string text, const std::string& was, const std::string& is) {
  return text.replace(text.find(was), was.size(), is);
}

void poison(checkpoint_folder& model, const std::string& name, float value) {
  auto values = model.values(name);
  values[values.size() / 2] = value;
  auto& tensor = model.at(name);
  tensor = tests::f32_tensor(tensor.shape, values);
}

// -- the cases --------------------------------------------------------------------------------------------------------

std::vector<hostile_case> file_cases() {
  const auto length_case = [](std::string name, uint64_t length) {
    return file_case(std::move(name), "header of .* (exceeds the limit|ends beyond)",
                     [length](const checkpoint_folder& model) {
                       return safetensors_bytes(length, header_text(header_of(model.tensors)), data_of(model.tensors));
                     });
  };
  return {
      file_case("file of 0 bytes", "0 bytes is too short", [](const auto&) { return ""s; }),
      file_case("file of 7 bytes", "7 bytes is too short", [](const auto&) { return "\x10\0\0\0\0\0\0"s; }),
      file_case("header length 0", "length of 0 is too short",
                [](const auto&) { return safetensors_bytes(0, "{}", ""); }),
      length_case("header length 2^40", 1ull << 40),
      length_case("header length 2^63", 1ull << 63),
      length_case("header length 2^64-1", ~0ull),
      length_case("header length 2^64-8", ~0ull - 7),
      file_case("header one byte longer than the file", "ends beyond",
                [](const auto&) { return safetensors_bytes(3, "{}", ""); }),
      file_case("header of 17 MiB of spaces", "exceeds the limit",
                [](const auto&) { return safetensors_bytes("{}" + std::string(17 << 20, ' '), ""); }),
      {"header of 100 GB in a sparse file", "exceeds the limit",
       [](checkpoint_folder& model) {
         write_file(weights_of(model), safetensors_bytes(100ull << 30, "{", ""));
         fs::resize_file(weights_of(model), 101ull << 30);
       }},
      file_case("data cut off", "beyond the .* bytes of data",
                [](const auto& model) {
                  const auto bytes = safetensors_bytes(model.tensors);
                  return bytes.substr(0, bytes.size() - 100);
                }),
      file_case("junk after the data", "256 bytes after the end",
                [](const auto& model) { return safetensors_bytes(model.tensors) + std::string(256, 'j'); }),
  };
}

std::vector<hostile_case> header_cases() {
  const auto text_case = [](std::string name, std::string reason, std::string text) {
    return header_case(std::move(name), std::move(reason), [text](const std::string&) { return text; });
  };
  const auto insert_case = [](std::string name, std::string reason, std::string first) {
    return header_case(std::move(name), std::move(reason),
                       [first](const std::string& good) { return "{" + first + "," + good.substr(1); });
  };
  std::string many;
  for (int i = 0; i <= 131072; ++i)
    many += fmt::format(R"({}"t{}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}})", i ? "," : "", i);
  return {
      text_case("random bytes", "start with", "\xff\xfe\xfd\xfc\xfb"),
      text_case("a JSON list", "start with", "[1,2,3]"),
      text_case("no closing brace", "not valid JSON", R"({"a":)"),
      text_case("a comment", "not valid JSON", "{/* */}"),
      text_case("a NaN literal", "not valid JSON", R"({"a":NaN})"),
      text_case("200000 nested lists", "nested deeper",
                R"({"a":)" + std::string(200000, '[') + std::string(200000, ']') + "}"),
      text_case("131073 tensors", "too many tensors", "{" + many + "}"),
      header_case("invalid UTF-8 in a name", "not valid JSON.*UTF-8",
                  [](auto text) { return replaced(text, "\"embeddings.", "\"\xc3\x28"); }),
      header_case("lone surrogate in a name", "surrogate",
                  [](auto text) { return replaced(text, "\"embeddings.", "\"\\ud800."); }),
      header_case("raw control character in a name", "control character",
                  [](auto text) { return replaced(text, "\"embeddings.", "\"\x01."); }),
      header_case("junk after the object", "expected end", [](auto text) { return text + " x"; }),
      header_case("zero bytes after the object", "zero byte", [](auto text) { return text + std::string(8, '\0'); }),
      header_case("space before the object", "start with", [](auto text) { return " " + text; }),
      header_case("trailing comma", "not valid JSON", [](auto text) { return text.substr(0, text.size() - 1) + ",}"; }),
      header_case("nested tensor table", "unknown field", [](auto text) { return R"({"a":)" + text + "}"; }),
      insert_case("tensor is a list", "a list, expected an object", R"("x":["F32",[1],[0,4]])"),
      insert_case("metadata of numbers", "__metadata__.*integer", R"("__metadata__":{"format":1})"),
      insert_case("metadata nested", "__metadata__.*object", R"("__metadata__":{"format":{"a":"b"}})"),
      insert_case("metadata is a list", "__metadata__.*list", R"("__metadata__":[])"),
      insert_case("duplicate tensor", "duplicate",
                  "\"" + word + R"(":{"dtype":"F32","shape":[64,16],"data_offsets":[0,4096]})"),
      header_case("duplicate field", "duplicate",
                  [](auto text) { return replaced(text, R"("dtype":"F32",)", R"("dtype":"F32","dtype":"F32",)"); }),
      header_case("name of 600 bytes", "name of 600 bytes",
                  [](auto text) { return replaced(text, word, std::string(600, 'n')); }),
      header_case("empty name", "name of 0 bytes", [](auto text) { return replaced(text, word, ""); }),
      header_case("terminal escape in a name", "missing|unexpected",
                  [](auto text) { return replaced(text, word, "\\u001b[2J\\u001b]0;owned\\u0007"); }),
      header_case("terminal escape in a dtype", "unknown dtype",
                  [](auto text) { return replaced(text, "\"F32\"", "\"\\u001b[2J\""); }),
  };
}

std::vector<hostile_case> entry_cases() {
  const auto without = [](std::string field) {
    return entry_case("no " + field, "field " + field + " is missing",
                      [=](header_entry& entry) { entry.fields.erase(field); });
  };
  return {
      field_case("unknown field", "unknown field 'stride'", "stride", "1"),
      without("dtype"),
      without("shape"),
      without("data_offsets"),
      field_case("dtype F31", "unknown dtype 'F31'", "dtype", "\"F31\""),
      field_case("dtype F64 for fp32 bytes", "size", "dtype", "\"F64\""),
      field_case("dtype I32", "dtype I32", "dtype", "\"I32\""),
      field_case("dtype null", "dtype is null", "dtype", "null"),
      entry_case("sub-byte dtype without whole bytes", "whole number of bytes",
                 [](header_entry& entry) {
                   entry.fields["dtype"] = "\"F4\"";
                   entry.fields["shape"] = "[1]";
                 }),
      field_case("three offsets", "3 data_offsets, expected two", "data_offsets", "[0,4,8]"),
      field_case("offsets backwards", "backwards", "data_offsets", "[4096,0]"),
      field_case("offsets far beyond the file", "beyond", "data_offsets", "[4611686018427387904,4611686018427387908]"),
      field_case("negative offset", "negative integer", "data_offsets", "[-4,0]"),
      field_case("fraction in an offset", "integer", "data_offsets", "[0.0,4.0]"),
      field_case("shape too small for its bytes", "size of 4", "shape", "[1]"),
      field_case("shape product overflows 64 bits", "overflows", "shape", "[4294967296,4294967296,4]"),
      field_case("shape product overflows to the right size", "overflows", "shape", "[9223372036854775808,2,64]"),
      field_case("overflow behind a zero", "overflows", "shape", "[0,9223372036854775808,9223372036854775808]"),
      field_case("rank 17", "17 dimensions", "shape", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]"),
      field_case("negative shape", "negative integer", "shape", "[-1,64]"),
      field_case("exponent in a shape", "integer", "shape", "[1e2,64]"),
      field_case("number beyond 64 bits", "integer", "shape", "[99999999999999999999999,1]"),
      field_case("shape of strings", "a string where", "shape", R"(["64","16"])"),
      file_case("two tensors overlap", "overlap|hole",
                [](const auto& model) {
                  auto entries = header_of(model.tensors);
                  const auto other = std::ranges::find(entries, key_bias, &header_entry::name)->fields["data_offsets"];
                  std::ranges::find(entries, query_bias, &header_entry::name)->fields["data_offsets"] = other;
                  return safetensors_bytes(header_text(entries), data_of(model.tensors));
                }),
      file_case("hole between two tensors", "hole",
                [](const auto& model) {
                  auto entries = header_of(model.tensors);
                  const auto data = data_of(model.tensors);
                  const auto size = model.tensors.back().second.bytes.size();
                  entries.back().fields["data_offsets"] =
                      fmt::format("[{},{}]", data.size() - size + 64, data.size() + 64);
                  return safetensors_bytes(header_text(entries), data + std::string(64, '\0'));
                }),
  };
}

std::vector<hostile_case> tensor_cases() {
  return {
      tensor_case("one missing", "'" + query + "' is missing", [](auto& model) { model.remove(query); }),
      tensor_case("one too many", "'evil.weight'.*unexpected",
                  [](auto& model) {
                    model.tensors.emplace_back("evil.weight", tests::f32_tensor({2}, {0, 0}));
                  }),
      tensor_case("unknown tensor of a head of pre-training", "'cls.evil.bias'.*unexpected",
                  [](auto& model) {
                    model.tensors.emplace_back("cls.evil.bias", tests::f32_tensor({2}, {0, 0}));
                  }),
      tensor_case("classifier of a class that has none", "'classifier.bias'.*unexpected.*ForSequenceClassification",
                  [](auto& model) {
                    model.tensors.emplace_back("classifier.bias", tests::f32_tensor({2}, {0, 0}));
                  }),
      tensor_case("layer beyond the last", R"(layer\.99.*unexpected)",
                  [](auto& model) {
                    model.tensors.emplace_back("encoder.layer.99.output.dense.bias", tests::f32_tensor({2}, {0, 0}));
                  }),
      tensor_case(
          "transposed", "intermediate.dense.*shape",
          [](auto& model) { std::ranges::reverse(model.at("encoder.layer.1.intermediate.dense.weight").shape); }),
      tensor_case("flattened", "query.*shape", [](auto& model) { model.at(query).shape = {256}; }),
      tensor_case("bias of half the width", "query.bias.*shape",
                  [](auto& model) { model.at(query_bias) = tests::f32_tensor({8}, std::vector<float>(8)); }),
      tensor_case("integers", "dtype I32, expected F32, F16 or BF16",
                  [](auto& model) { model.at(query).dtype = "I32"; }),
      tensor_case("none at all", "missing", [](auto& model) { model.tensors.clear(); }),
      tensor_case("half a pooler", "pooler.dense.bias' is missing",
                  [](auto& model) { model.remove("pooler.dense.bias"); }),
  };
}

std::vector<hostile_case> config_cases() {
  std::string junk;
  for (int i = 0; i < 40000; ++i) junk += "\x01\x02\xfa\x80junk";
  return {
      config_file_case("empty file", ""),
      config_file_case("not JSON", "hello"),
      config_file_case("a list", "[]"),
      config_file_case("junk", junk),
      config_file_case("900000 nested lists", std::string(900000, '[')),
      config_file_case("10 MB", std::string(10000000, ' ') + "{}"),
      config_case("no model_type", "model_type is missing", "model_type", ""),
      config_case("unknown model_type", "evilnet", "model_type", R"("evilnet")"),
      config_case("model_type a number", "model_type", "model_type", "7"),
      config_case("no hidden_size", "shape.*leaves out.*hidden_size 768", "hidden_size", ""),
      config_case("no vocab_size", "shape.*leaves out.*vocab_size 30522", "vocab_size", ""),
      config_case("hidden_size negative", "hidden_size", "hidden_size", "-64"),
      config_case("hidden_size 0", "hidden_size is 0", "hidden_size", "0"),
      config_case("hidden_size 1e30", "hidden_size", "hidden_size", "1e30"),
      config_case("hidden_size a string", "hidden_size is '64'", "hidden_size", R"("64")"),
      config_case("hidden_size of another model", "shape", "hidden_size", "48"),
      config_case("no layers", "num_hidden_layers is 0", "num_hidden_layers", "0"),
      config_case("1e9 layers", "num_hidden_layers is 1000000000", "num_hidden_layers", "1000000000"),
      config_case("one layer too many", "layer.2.*missing", "num_hidden_layers", "3"),
      config_case("one layer too few", "layer.1.*unexpected", "num_hidden_layers", "1"),
      config_case("heads 0", "num_attention_heads is 0", "num_attention_heads", "0"),
      config_case("heads that do not divide the width", "not divisible", "num_attention_heads", "7"),
      config_case("vocabulary of 2^62", "vocab_size", "vocab_size", "4611686018427387904"),
      config_case("vocabulary not that of the weights", "word_embeddings.*shape", "vocab_size", "65"),
      config_case("intermediate_size 2^31", "intermediate_size", "intermediate_size", "2147483648"),
      config_case("positions not those of the weights", "position_embeddings.*shape", "max_position_embeddings",
                  "4096"),
      config_case("epsilon a string", "layer_norm_eps is 'tiny'", "layer_norm_eps", R"("tiny")"),
      config_case("epsilon negative", "layer_norm_eps", "layer_norm_eps", "-1e-12"),
      config_case("unknown activation", "hidden_act is 'evil_act'", "hidden_act", R"("evil_act")"),
      config_case("relative positions", "relative_key", "position_embedding_type", R"("relative_key")"),
      config_case("a decoder", "is_decoder", "is_decoder", "true"),
      config_case("pruned heads", "pruned_heads", "pruned_heads", R"({"0":[1]})"),
      config_case("encoder and decoder", "is_encoder_decoder", "is_encoder_decoder", "true"),
      config_case("cross attention", "add_cross_attention", "add_cross_attention", "1"),
      config_case("quantised weights", "quantization_config", "quantization_config", R"({"quant_method":"gptq"})"),
      config_case("code of its own", "auto_map.*never run", "auto_map", R"({"AutoModel":"modeling.MyBert"})"),
      config_case("element type of 8 bits", "torch_dtype is 'int8'", "torch_dtype", R"("int8")"),
      config_case("activation null", "hidden_act is null", "hidden_act", "null"),
      config_case("positions null", "position_embedding_type is null", "position_embedding_type", "null"),
      config_case("class of another task", "BertForTokenClassification", "architectures",
                  R"(["BertForTokenClassification"])"),
      config_case("class with a classifier that is not there", "pooler|classifier", "architectures",
                  R"(["BertForSequenceClassification"])"),
      config_case("terminal escape in a class", "architectures", "architectures", R"(["\u001b[2J"])"),
  };
}

std::vector<hostile_case> place_cases() {
  std::vector<hostile_case> cases;
  for (const auto& [what, file] : {std::pair("weights"s, "model.safetensors"s), {"config"s, "config.json"s}}) {
    cases.push_back(place_case(what + " missing", "No such file", file, [](const fs::path&) {}));
    cases.push_back(place_case(what + " a link to itself", "symbolic links", file,
                               [](const fs::path& p) { fs::create_symlink(p.filename(), p); }));
    cases.push_back(place_case(what + " a dangling link", "No such file", file,
                               [](const fs::path& p) { fs::create_symlink("nowhere", p); }));
    cases.push_back(
        place_case(what + " a folder", "not a regular file", file, [](const fs::path& p) { fs::create_directory(p); }));
    cases.push_back(place_case(what + " a pipe", "not a regular file", file,
                               [](const fs::path& p) { ASSERT_EQ(::mkfifo(p.c_str(), 0600), 0); }));
    cases.push_back(place_case(what + " a link to a device", "not a regular file", file,
                               [](const fs::path& p) { fs::create_symlink("/dev/zero", p); }));
  }
  cases.push_back({"empty folder", "config.json", [](checkpoint_folder& model) {
                     for (const auto& entry : fs::directory_iterator(model.path())) fs::remove_all(entry.path());
                   }});
  cases.push_back(
      {"no such folder", "No such file or directory", [](checkpoint_folder& model) { fs::remove_all(model.path()); }});
  cases.push_back({"an adapter beside the model", "adapter_config.json: an adapter.*merge_and_unload",
                   [](checkpoint_folder& model) { write_file(model.path() / "adapter_config.json", "{}"); }});
  cases.push_back({"folder is a file", "not a folder", [](checkpoint_folder& model) {
                     fs::remove_all(model.path());
                     write_file(model.path(), "x");
                   }});
  return cases;
}

std::vector<hostile_case> index_cases() {
  return {
      index_case("junk", "index.json: not valid JSON", [](const auto&) { return "\xff\xfe junk"s; }),
      index_case("weight map a list", "weight_map", [](const auto&) { return R"({"weight_map":[1,2]})"s; }),
      index_case("no weight map", "weight_map", [](const auto&) { return R"({"metadata":{}})"s; }),
      index_case("empty weight map", "weight_map", [](const auto&) { return R"({"weight_map":{}})"s; }),
      index_entry_case("file name a number", "7"),
      index_entry_case("path upwards", R"("../../../../etc/passwd")"),
      index_entry_case("absolute path", R"("/etc/passwd")"),
      index_entry_case("path into a folder", R"("sub/part-1.safetensors")"),
      index_entry_case("zero byte in a name", R"("part-1.safetensors\u0000.txt")"),
      index_entry_case("name of two dots", R"("..")"),
      index_entry_case("terminal escape", R"("\u001b[2J")"),
      index_case("missing file", "part-3.safetensors.*No such file.*index.json lists it.*not complete",
                 [](weight_map map) {
                   map[word] = R"("part-3.safetensors")";
                   return index_text(map);
                 }),
      index_case("tensor in another file than said", "is not in part-2.safetensors",
                 [](weight_map map) {
                   map[word] = R"("part-2.safetensors")";
                   return index_text(map);
                 }),
      index_case("tensor that the index does not have", "not in weight_map",
                 [](weight_map map) {
                   map.erase(word);
                   return index_text(map);
                 }),
      index_case("tensor in two files", "in two files: part-1.safetensors and part-2.safetensors", index_text, true),
  };
}

std::string name_of_case(const testing::TestParamInfo<hostile_case>& info) {
  return std::regex_replace(info.param.name, std::regex("[^A-Za-z0-9]+"), "_");
}

long resident_kib() {
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

} // namespace

TEST_P(HostileFolder, IsRefusedWithOneLineThatNamesTheReason) {
  tests::temporary_folder home;
  checkpoint_folder model(home / "model");
  model.write();
  GetParam().spoil(model);

  const auto began = std::chrono::steady_clock::now();
  const auto plan = inspect(model.path());
  const auto took = std::chrono::steady_clock::now() - began;

  ASSERT_FALSE(plan) << "accepted";
  const std::string& text = plan.error().message;
  EXPECT_TRUE(std::regex_search(text, std::regex(GetParam().reason, std::regex::icase))) << text;
  EXPECT_TRUE(std::ranges::none_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; })) << text;
  EXPECT_LE(text.size(), 500u) << text;
  EXPECT_LT(took, std::chrono::seconds(10));
  EXPECT_LT(resident_kib(), 1 << 20) << "KiB resident";
}

INSTANTIATE_TEST_SUITE_P(File, HostileFolder, testing::ValuesIn(file_cases()), name_of_case);
INSTANTIATE_TEST_SUITE_P(Header, HostileFolder, testing::ValuesIn(header_cases()), name_of_case);
INSTANTIATE_TEST_SUITE_P(Entry, HostileFolder, testing::ValuesIn(entry_cases()), name_of_case);
INSTANTIATE_TEST_SUITE_P(Tensors, HostileFolder, testing::ValuesIn(tensor_cases()), name_of_case);
INSTANTIATE_TEST_SUITE_P(Config, HostileFolder, testing::ValuesIn(config_cases()), name_of_case);
INSTANTIATE_TEST_SUITE_P(Place, HostileFolder, testing::ValuesIn(place_cases()), name_of_case);
INSTANTIATE_TEST_SUITE_P(Index, HostileFolder, testing::ValuesIn(index_cases()), name_of_case);

// What only reading the data can find is refused by publishing.
TEST(HostileFolder, NotANumberAndInfinityAreRefusedByPublishingAndLeaveNothing) {
  tests::temporary_folder home;
  auto store = content_store::open(home / "store");
  auto models = catalogue::open(home / "store/catalogue.sqlite");
  ASSERT_TRUE(store && models);
  for (const auto& [tensor, value] :
       {std::pair(word, std::nanf("")), {query, INFINITY}, {"pooler.dense.bias"s, -INFINITY}}) {
    checkpoint_folder model(home / "model");
    poison(model, tensor, value);
    model.write();
    ASSERT_TRUE(inspect(model.path()));
    const auto done =
        publish({.folder = model.path(), .tenant = "acme", .name = "m", .check_tokenizer = {}, .pack_card = {}}, *store,
                *models);
    ASSERT_FALSE(done);
    EXPECT_NE(done.error().message.find("NaN"), std::string::npos) << done.error().message;
    EXPECT_NE(done.error().message.find(tensor), std::string::npos) << done.error().message;
    EXPECT_TRUE(fs::is_empty(home / "store/objects"));
    EXPECT_TRUE(fs::is_empty(home / "store/temp"));
    EXPECT_TRUE(models->all()->empty());
  }
}

TEST(HostileFolder, LinksToRegularFilesAreFine) {
  tests::temporary_folder home;
  checkpoint_folder model(home / "blobs");
  model.write();
  fs::create_directory(home / "snapshot");
  for (const char* name : {"config.json", "model.safetensors"})
    fs::create_symlink(fs::path("../blobs") / name, home / "snapshot" / name);
  EXPECT_TRUE(inspect(home / "snapshot"));
}

} // namespace fastptm::weights
