// Tables of names, from the ones that say most to those that say least.
#include "weights/import/folder_advice.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <string_view>

#include <sys/stat.h>

#include <fmt/format.h>

#include "core/log.hpp"
#include "weights/import/regular_file.hpp"

namespace fastptm::weights {

namespace {

namespace fs = std::filesystem;
using names = std::set<std::string, std::less<>>;

constexpr size_t max_names = 1000;            // of a folder: a model's has a few dozen
constexpr uint64_t max_reference_bytes = 200; // refs/main holds one commit's hash

// What the hub's cache has beside the snapshots.
constexpr std::string_view snapshots = "snapshots";
constexpr std::string_view cache_prefix = "models--";

core::error refused(std::string text) {
  return {core::errc::not_found, std::move(text)};
}

names names_in(const fs::path& folder) {
  names found;
  std::error_code trouble;
  for (fs::directory_iterator at(folder, trouble), end; !trouble && at != end && found.size() < max_names;
       at.increment(trouble))
    found.insert(at->path().filename().string());
  return found;
}

std::string shown(const fs::path& path) {
  return core::printable(path.string(), 200);
}

// The first name that begins and ends so; empty if there is none.
std::string first_like(const names& in, std::string_view beginning, std::string_view end) {
  const auto at = std::ranges::find_if(in, [&](const std::string& name) {
    return name.size() >= beginning.size() + end.size() && name.starts_with(beginning) && name.ends_with(end);
  });
  return at == in.end() ? std::string() : core::printable(*at, 100);
}

// -- a level too high -------------------------------------------------------------------------------------------------

// The snapshot that the cache calls main, else the only one.
std::string snapshot_of(const fs::path& root) {
  const auto all = names_in(root / snapshots);
  auto main = read_small_file(root / "refs" / "main", "refs/main", max_reference_bytes);
  if (main) {
    while (!main->empty() && (main->back() == '\n' || main->back() == '\r')) main->pop_back();
    if (all.contains(*main)) return *main;
  }
  return all.size() == 1 ? *all.begin() : std::string();
}

std::string cache_advice(const fs::path& root) {
  const auto snapshot = snapshot_of(root);
  if (!snapshot.empty())
    return fmt::format("this is the root of a download cache, the model is a snapshot in it: give {}",
                       shown(root / snapshots / snapshot));
  return fmt::format("this is the root of a download cache with {} snapshots, and refs/main names none of them: give "
                     "one of the folders in {}",
                     names_in(root / snapshots).size(), shown(root / snapshots));
}

// Empty when the model is not near.
std::string level_advice(const fs::path& folder, const names& in) {
  if (in.contains(snapshots)) return cache_advice(folder);
  if (folder.filename() == snapshots && in.size() == 1)
    return fmt::format("the model is the snapshot in it: give {}", shown(folder / *in.begin()));
  if (const auto model = first_like(in, cache_prefix, ""); !model.empty())
    return fmt::format("this is a download cache of several models: give one of its snapshots, as {}/{}/HASH",
                       shown(folder / model), snapshots);
  std::string nearest;
  for (const auto& name : in)
    if (name_exists(folder / name / "config.json") && name_exists(folder / name / "model.safetensors"))
      nearest = nearest.empty() ? name : "?";
  if (nearest.empty()) return {};
  if (nearest == "?") return "the models are in folders of this one: give one of those";
  return fmt::format("the model is in a folder of this one: give {}", shown(folder / nearest));
}

// -- other formats ----------------------------------------------------------------------------------------------------

struct foreign_format {
  std::string_view beginning, end; // of a file's or folder's name
  std::string_view what;
};

constexpr std::array<foreign_format, 9> foreign_formats = {{
    {"tf_model", ".h5", "TensorFlow weights"},
    {"bert_model.ckpt", "", "a TensorFlow checkpoint"},
    {"model.ckpt", "", "a TensorFlow checkpoint"},
    {"flax_model", ".msgpack", "Flax weights"},
    {"", ".gguf", "GGUF weights"},
    {"", ".onnx", "an ONNX graph"},
    {"onnx", "", "ONNX graphs"},
    {"openvino", "", "an OpenVINO graph"},
    {"rust_model.ot", "", "weights of rust-bert"},
}};

std::string format_advice(const names& in) {
  for (const auto& format : foreign_formats)
    if (const auto name = first_like(in, format.beginning, format.end); !name.empty())
      return fmt::format("{} is {}, and only safetensors are read: load it with transformers (from_tf=True or "
                         "from_flax=True where it needs that) and save_pretrained() to a new folder",
                         name, format.what);
  return {};
}

// One line for a shell; state dicts of every class pass, tensors that share memory become copies.
constexpr std::string_view conversion =
    "python3 -c \"import glob, torch, safetensors.torch as s; t = {k: v.clone().contiguous() for f in "
    "glob.glob('pytorch_model*.bin') for k, v in torch.load(f, map_location='cpu', weights_only=True).items()}; "
    "s.save_file(t, 'model.safetensors', {'format': 'pt'})\"";

std::string other_name_advice(const names& in) {
  if (const auto pickle = first_like(in, "pytorch_model", ".bin"); !pickle.empty())
    return fmt::format("{} holds pickled code, which is never loaded: convert it; in the folder: {}", pickle,
                       conversion);
  if (const auto part = first_like(in, "model-", ".safetensors"); !part.empty())
    return fmt::format("{} is a part of the weights, and model.safetensors.index.json, which lists the parts, is not "
                       "there: download it, too",
                       part);
  if (const auto other = first_like(in, "", ".safetensors"); !other.empty())
    return fmt::format("{} is not read under that name: if these are the model's weights, call them "
                       "model.safetensors",
                       other);
  return {};
}

std::string advice_or(const std::string& advice, std::string_view otherwise) {
  return advice.empty() ? std::string(otherwise) : advice;
}

} // namespace

core::result<void> require_folder(const fs::path& folder) {
  struct stat facts {};
  if (::stat(folder.c_str(), &facts) != 0)
    return core::fail(core::from_errno(errno, shown(folder) + ": cannot open the model folder"));
  if (S_ISDIR(facts.st_mode)) return {};
  return core::fail(core::errc::invalid, shown(folder) + ": a file, not a folder: a model is a folder with config.json "
                                                         "and model.safetensors; give the folder around it");
}

core::result<void> refuse_adapter(const fs::path& folder) {
  for (const std::string_view name : {"adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"})
    if (name_exists(folder / name))
      return core::fail(core::errc::invalid,
                        fmt::format("{}: an adapter (PEFT, LoRA) is no model alone: load it with its base model, "
                                    "merge_and_unload(), save_pretrained() to a new folder, and publish that",
                                    name));
  return {};
}

core::error missing_config(const fs::path& folder) {
  const auto in = names_in(folder);
  if (in.empty()) return refused("config.json: No such file or directory: the folder is empty");
  auto advice = level_advice(folder, in);
  if (advice.empty()) advice = format_advice(in);
  return refused("config.json: No such file or directory: " +
                 advice_or(advice, "give a Hugging Face model folder, with config.json and model.safetensors"));
}

core::error missing_weights(const fs::path& folder) {
  const auto in = names_in(folder);
  auto advice = other_name_advice(in);
  if (advice.empty()) advice = format_advice(in);
  return refused("model.safetensors: No such file or directory: " +
                 advice_or(advice, "the weights are not in the folder: download them, too"));
}

} // namespace fastptm::weights
