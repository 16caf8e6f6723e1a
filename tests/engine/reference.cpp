// BERT from its paper; see reference.hpp.
#include "tests/engine/reference.hpp"

#include <cmath>

namespace fastptm::engine::reference {

namespace {

using tensors = std::map<std::string, std::vector<float>>;
using row = std::vector<double>;
using rows = std::vector<row>;

row linear(const row& x, const std::vector<float>& weight, const std::vector<float>& bias) {
  row y(bias.begin(), bias.end());
  for (size_t o = 0; o < y.size(); ++o) {
    for (size_t i = 0; i < x.size(); ++i) y[o] += double{weight[o * x.size() + i]} * x[i];
  }
  return y;
}

row linear(const row& x, const tensors& from, const std::string& name) {
  return linear(x, from.at(name + ".weight"), from.at(name + ".bias"));
}

row norm(const row& x, const tensors& from, const std::string& name, double epsilon) {
  double mean = 0, variance = 0;
  for (const double v : x) mean += v / static_cast<double>(x.size());
  for (const double v : x) variance += (v - mean) * (v - mean) / static_cast<double>(x.size());
  row y(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    y[i] = (x[i] - mean) / std::sqrt(variance + epsilon) * from.at(name + ".weight")[i] + from.at(name + ".bias")[i];
  }
  return y;
}

row sum(const row& a, const row& b) {
  row y(a);
  for (size_t i = 0; i < y.size(); ++i) y[i] += b[i];
  return y;
}

double activate(models::encoder::activation act, double x) {
  if (act == models::encoder::activation::tanh) return std::tanh(x);
  if (act == models::encoder::activation::relu) return std::fmax(x, 0);
  if (act == models::encoder::activation::gelu_erf) return 0.5 * x * std::erfc(-x * std::sqrt(0.5));
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * std::pow(x, 3))));
}

rows embed(const model& of, const sequence& input) {
  const tensors& from = of.shards[0];
  const size_t width = of.arch.hidden;
  rows hidden;
  for (size_t t = 0; t < input.ids.size(); ++t) {
    const size_t id = static_cast<size_t>(input.ids[t]);
    const size_t type = input.token_types.empty() ? 0 : static_cast<size_t>(input.token_types[t]);
    row x(width);
    for (size_t i = 0; i < width; ++i) {
      x[i] = double{from.at("word")[id * width + i]} + from.at("position")[t * width + i];
      if (of.arch.token_types > 0) x[i] += from.at("token_type")[type * width + i];
    }
    hidden.push_back(norm(x, from, "norm", of.arch.layer_norm_eps));
  }
  return hidden;
}

// One head's contribution to the context of every token.
void attend(const rows& qkv, size_t width, size_t from, size_t head_width, rows& context) {
  for (size_t q = 0; q < qkv.size(); ++q) {
    row score(qkv.size());
    double largest = -INFINITY, total = 0;
    for (size_t k = 0; k < qkv.size(); ++k) {
      for (size_t d = from; d < from + head_width; ++d) score[k] += qkv[q][d] * qkv[k][width + d];
      score[k] /= std::sqrt(static_cast<double>(head_width));
      largest = std::fmax(largest, score[k]);
    }
    for (double& s : score) total += s = std::exp(s - largest);
    for (size_t k = 0; k < qkv.size(); ++k) {
      for (size_t d = from; d < from + head_width; ++d) context[q][d] += score[k] / total * qkv[k][2 * width + d];
    }
  }
}

rows layer(const model& of, const tensors& from, const rows& hidden) {
  const size_t width = of.arch.hidden, head_width = width / of.arch.heads;
  rows qkv, context(hidden.size(), row(width)), out;
  for (const row& x : hidden) qkv.push_back(linear(x, from, "qkv"));
  for (size_t h = 0; h < of.arch.heads; ++h) attend(qkv, width, h * head_width, head_width, context);
  for (size_t t = 0; t < hidden.size(); ++t) {
    const row x = norm(sum(hidden[t], linear(context[t], from, "attention_output")), from, "attention_norm",
                       of.arch.layer_norm_eps);
    row wide = linear(x, from, "intermediate");
    for (double& v : wide) v = activate(of.arch.act, v);
    out.push_back(norm(sum(x, linear(wide, from, "output")), from, "output_norm", of.arch.layer_norm_eps));
  }
  return out;
}

// `unpooled` rows at the beginning count in no pooling of all.
row pool(const models::task& job, const rows& all, size_t unpooled) {
  if (job.kind == models::task_kind::classify || job.pool == models::pooling::cls) return all[0];
  const rows hidden(all.begin() + static_cast<std::ptrdiff_t>(unpooled), all.end());
  row pooled = hidden[0];
  for (size_t t = 1; t < hidden.size(); ++t) {
    for (size_t i = 0; i < pooled.size(); ++i) {
      pooled[i] = job.pool == models::pooling::max ? std::fmax(pooled[i], hidden[t][i]) : pooled[i] + hidden[t][i];
    }
  }
  const double tokens = static_cast<double>(hidden.size());
  const double divisor = job.pool == models::pooling::mean            ? tokens
                         : job.pool == models::pooling::mean_sqrt_len ? std::sqrt(tokens)
                                                                      : 1.0;
  for (double& v : pooled) v /= divisor;
  return pooled;
}

row head(const model& of, const row& pooled) {
  if (of.job.kind == models::task_kind::classify) {
    row x = linear(pooled, of.shards.back(), "pooler");
    for (double& v : x) v = activate(of.arch.pooler_act, v);
    return linear(x, of.shards.back(), "classifier");
  }
  row x = pooled;
  double squares = 0;
  for (const double v : x) squares += v * v;
  if (of.job.normalize) {
    for (double& v : x) v /= std::sqrt(squares);
  }
  return x;
}

std::vector<float> uniform(size_t count, double mean, double spread, core::prng& random) {
  std::vector<float> values(count);
  for (float& v : values) v = static_cast<float>(mean + spread * (2 * random.unit() - 1));
  return values;
}

void add_linear(tensors& to, const std::string& name, size_t out, size_t in, core::prng& random) {
  to[name + ".weight"] = uniform(out * in, 0, 2 / std::sqrt(static_cast<double>(in)), random);
  to[name + ".bias"] = uniform(out, 0, 0.2, random);
}

void add_norm(tensors& to, const std::string& name, size_t width, core::prng& random) {
  to[name + ".weight"] = uniform(width, 1, 0.3, random);
  to[name + ".bias"] = uniform(width, 0, 0.3, random);
}

} // namespace

model random_model(const models::encoder::config& arch, const models::task& job, core::prng& random) {
  model made{arch, job, {}};
  tensors& embeddings = made.shards.emplace_back();
  embeddings["word"] = uniform(size_t{arch.vocabulary} * arch.hidden, 0, 1, random);
  embeddings["position"] = uniform(size_t{arch.positions} * arch.hidden, 0, 0.5, random);
  if (arch.token_types > 0) embeddings["token_type"] = uniform(size_t{arch.token_types} * arch.hidden, 0, 0.5, random);
  add_norm(embeddings, "norm", arch.hidden, random);
  for (uint32_t i = 0; i < arch.layers; ++i) {
    tensors& layer = made.shards.emplace_back();
    add_linear(layer, "qkv", 3 * size_t{arch.hidden}, arch.hidden, random);
    add_linear(layer, "attention_output", arch.hidden, arch.hidden, random);
    add_norm(layer, "attention_norm", arch.hidden, random);
    add_linear(layer, "intermediate", arch.intermediate, arch.hidden, random);
    add_linear(layer, "output", arch.hidden, arch.intermediate, random);
    add_norm(layer, "output_norm", arch.hidden, random);
  }
  if (!job.has_pooler && job.kind != models::task_kind::classify) return made;
  tensors& head = made.shards.emplace_back();
  if (job.has_pooler) add_linear(head, "pooler", arch.hidden, arch.hidden, random);
  if (job.kind == models::task_kind::classify) add_linear(head, "classifier", job.labels, arch.hidden, random);
  return made;
}

std::vector<double> run(const model& of, const sequence& input) {
  rows hidden = embed(of, input);
  for (uint32_t i = 0; i < of.arch.layers; ++i) hidden = layer(of, of.shards[1 + i], hidden);
  return head(of, pool(of.job, hidden, input.unpooled));
}

} // namespace fastptm::engine::reference
