// Makes eleven fine-tunes of a BERT model folder that share different parts with it: what a tenant's models look like.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "core/error.hpp"
#include "core/random.hpp"
#include "weights/import/import_plan.hpp"
#include "weights/import/synthetic.hpp"

namespace {

namespace fs = std::filesystem;
using namespace fastptm;

constexpr double relative_deviation = 0.02; // of a tensor's own: like a light fine-tuning, far from a destroyed model

struct variant {
  std::string name;
  size_t first_shard = 0; // this one and all after it are changed
};

// Three times the head (the last layer where there is none),
// four times the last two layers and the head, four times everything.
std::vector<variant> variants_of(const weights::import_plan& plan) {
  const size_t shards = plan.shards.size();
  const bool has_head = plan.shards.back().layout.kind == models::shard_kind::head;
  const size_t layers = shards - has_head - 1; // the first shard holds the embeddings
  const size_t first_of_last_two = shards - has_head - std::min<size_t>(2, layers);
  std::vector<variant> list;
  for (int i = 1; i <= 3; ++i) list.push_back({fmt::format("head-{}", i), shards - 1});
  for (int i = 1; i <= 4; ++i) list.push_back({fmt::format("last2-{}", i), first_of_last_two});
  for (int i = 1; i <= 4; ++i) list.push_back({fmt::format("all-{}", i), 0});
  return list;
}

core::result<void> copy_files(const fs::path& from, const weights::import_plan& plan, const fs::path& to) {
  for (const auto& file : plan.uploads) {
    std::error_code failed;
    fs::create_directories((to / file.path).parent_path(), failed);
    if (!failed) fs::copy_file(from / file.path, to / file.path, fs::copy_options::overwrite_existing, failed);
    if (failed) return core::fail(core::from_errno(failed.value(), (to / file.path).string() + ": cannot copy"));
  }
  return {};
}

void add_noise(std::vector<float>& values, core::prng& random) {
  double sum = 0, sum_of_squares = 0;
  for (const float v : values) sum += v, sum_of_squares += static_cast<double>(v) * v;
  const double mean = sum / static_cast<double>(values.size());
  const double variance = std::max(0.0, sum_of_squares / static_cast<double>(values.size()) - mean * mean);
  const auto deviation = static_cast<float>(relative_deviation * std::sqrt(variance));
  for (float& v : values) v += deviation * weights::nearly_normal(random);
}

core::result<void> change_piece(const weights::import_plan& plan, const weights::tensor_piece& piece,
                                const fs::path& folder, core::prng& random) {
  const auto& source = plan.files[piece.file];
  if (piece.dtype != weights::source_dtype::f32) {
    return core::fail(core::errc::invalid,
                      fmt::format("{}: tensor '{}' is not F32: give an fp32 checkpoint", source.what(), piece.name));
  }
  std::vector<float> values(piece.element_count);
  if (auto ok = source.read_at(piece.source_offset_bytes, std::as_writable_bytes(std::span(values))); !ok) return ok;
  add_noise(values, random);
  std::fstream out(folder / source.what(), std::ios::binary | std::ios::in | std::ios::out);
  out.seekp(static_cast<std::streamoff>(piece.source_offset_bytes));
  out.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(float)));
  out.close();
  if (!out) return core::fail(core::errc::io, (folder / source.what()).string() + ": cannot write");
  return {};
}

core::result<void> make(const fs::path& from, const weights::import_plan& plan, const variant& made, const fs::path& to,
                        uint64_t seed) {
  if (auto ok = copy_files(from, plan, to); !ok) return ok;
  core::prng random(seed);
  for (size_t i = made.first_shard; i < plan.shards.size(); ++i) {
    for (const auto& piece : plan.shards[i].pieces) {
      if (auto ok = change_piece(plan, piece, to, random); !ok) return ok;
    }
  }
  return {};
}

core::result<void> make_all(const fs::path& from, const fs::path& to, uint64_t seed) {
  const auto plan = weights::inspect(from);
  if (!plan) return core::fail(plan.error());
  core::prng seeds(seed);
  for (const auto& made : variants_of(*plan)) {
    if (auto ok = make(from, *plan, made, to / made.name, seeds.next()); !ok) return ok;
    const auto& first = plan->shards[made.first_shard].layout;
    const bool same_answers = first.kind == models::shard_kind::head && plan->job.kind == models::task_kind::embed;
    fmt::print("{}: changed from {} on, shares {} of {} shards with the original{}\n", (to / made.name).string(),
               models::name_of(first), made.first_shard, plan->shards.size(),
               same_answers ? "; its embeddings are the original's: they are taken before the head" : "");
  }
  return {};
}

// `synthetic:SHAPE` becomes a folder of seeded weights beside its variants.
core::result<fs::path> original_of(const std::string& from, const fs::path& to, uint64_t seed) {
  constexpr std::string_view prefix = "synthetic:";
  if (!from.starts_with(prefix)) return fs::path(from);
  const auto shape = weights::synthetic_shape_named(from.substr(prefix.size()));
  if (!shape) return core::fail(shape.error());
  const auto folder = to / "original";
  if (auto written = weights::write_synthetic_model(folder, *shape, seed); !written) return core::fail(written.error());
  return folder;
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app("Makes eleven variants of a BERT model folder by adding seeded noise to its head, its last two layers "
               "or all of it");
  std::string from, to;
  uint64_t seed = 1;
  app.add_option("MODELDIR", from,
                 "an fp32 Hugging Face folder, or synthetic:minilm: seeded weights, written to OUTDIR/original")
      ->required();
  app.add_option("OUTDIR", to, "where the eleven folders go")->required();
  app.add_option("--seed", seed, "the same seed gives the same variants");
  CLI11_PARSE(app, argc, argv);
  const auto original = original_of(from, to, seed);
  if (const auto ok = original ? make_all(*original, to, seed) : core::fail(original.error()); !ok) {
    fmt::print(stderr, "make_variants: {}\n", ok.error().message);
    return 1;
  }
  return 0;
}
