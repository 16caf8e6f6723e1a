// Fixture and tests of the suite; see device_conformance.hpp.
#include "tests/gpu/conformance/device_conformance.hpp"

#include <atomic>
#include <cmath>
#include <numeric>
#include <thread>

namespace fastptm::gpu::conformance {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(device_conformance);

namespace {

constexpr uint64_t seed = 4711;
constexpr double tolerance = 2e-6; // of one operator in f32

// Sequences of these lengths one behind the other: they begin and end inside a backend's tiles.
std::vector<row_span> spans_of(std::initializer_list<uint32_t> lengths) {
  std::vector<row_span> spans;
  uint32_t first = 0;
  for (const uint32_t length : lengths) {
    spans.push_back({first, length});
    first += length;
  }
  return spans;
}

double act_of(activation act, double x) {
  switch (act) {
    case activation::none:
      return x;
    case activation::gelu_erf:
      return x / 2 * (1 + std::erf(x / std::sqrt(2.0)));
    case activation::gelu_tanh:
      return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case activation::relu:
      return x > 0 ? x : 0;
    case activation::tanh:
      return std::tanh(x);
  }
  return x;
}

std::vector<double> linear_of(const matrix& in, const matrix& weight, const matrix& bias, activation act) {
  std::vector<double> out;
  for (uint32_t row = 0; row < in.rows; ++row) {
    for (uint32_t o = 0; o < weight.rows; ++o) {
      double sum = bias.values[o];
      for (uint32_t i = 0; i < in.columns; ++i) sum += double{in.at(row, i)} * weight.at(o, i);
      out.push_back(act_of(act, sum));
    }
  }
  return out;
}

std::vector<double> attention_of(const matrix& qkv, const std::vector<row_span>& sequences, uint32_t heads) {
  const uint32_t width = qkv.columns / 3, head_width = width / heads;
  std::vector<double> out(static_cast<size_t>(qkv.rows) * width);
  for (const row_span& rows : sequences) {
    for (uint32_t q = rows.first; q < rows.first + rows.count; ++q) {
      for (uint32_t h = 0; h < heads; ++h) {
        std::vector<double> weight(rows.count);
        double sum = 0;
        for (uint32_t k = 0; k < rows.count; ++k) {
          double dot = 0;
          for (uint32_t d = h * head_width; d < (h + 1) * head_width; ++d) {
            dot += double{qkv.at(q, d)} * qkv.at(rows.first + k, width + d);
          }
          sum += weight[k] = std::exp(dot / std::sqrt(static_cast<double>(head_width)));
        }
        for (uint32_t d = h * head_width; d < (h + 1) * head_width; ++d) {
          double mixed = 0;
          for (uint32_t k = 0; k < rows.count; ++k) mixed += weight[k] / sum * qkv.at(rows.first + k, 2 * width + d);
          out[static_cast<size_t>(q) * width + d] = mixed;
        }
      }
    }
  }
  return out;
}

} // namespace

double relative_error(std::span<const float> a, std::span<const double> b) {
  EXPECT_EQ(a.size(), b.size());
  double difference = 0, norm = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    norm += b[i] * b[i];
  }
  // Written so that a NaN is an error, not a success.
  return norm > 0 && difference >= 0 ? std::sqrt(difference / norm) : INFINITY;
}

void device_conformance::SetUp() {
  RecordProperty("seed", std::to_string(seed));
  random_ = core::prng(seed);
  auto made = GetParam().make({"device0", arena_bytes, 2});
  ASSERT_TRUE(made) << made.error().message;
  device_ = std::move(*made);
}

void device_conformance::TearDown() {
  leases_.clear();
  buffers_.clear();
}

matrix device_conformance::random_matrix(uint32_t rows, uint32_t columns, double from, double to) {
  matrix m{rows, columns, std::vector<float>(static_cast<size_t>(rows) * columns)};
  for (float& x : m.values) x = static_cast<float>(from + (to - from) * random_.unit());
  return m;
}

const float* device_conformance::upload(const std::vector<float>& values) {
  auto memory = device_->memory().take(values.size() * sizeof(float));
  EXPECT_TRUE(memory) << memory.error().message;
  GetParam().copy_in(memory->region(), std::as_bytes(std::span(values)));
  leases_.push_back(std::move(*memory));
  return reinterpret_cast<const float*>(leases_.back().region().address);
}

// There is no other way in than an embedding: word i is row i.
activations device_conformance::uploaded(const matrix& m) {
  const activations out = empty(m.rows, m.columns);
  std::vector<int32_t> ids(m.rows);
  std::iota(ids.begin(), ids.end(), 0);
  const std::vector<int32_t> types(m.rows, 0);
  const row_span all{0, m.rows};
  const embedding_tables tables{upload(m.values), upload(std::vector<float>(m.values.size())),
                                upload(std::vector<float>(m.columns))};
  on_device([&](kernels& compute) { compute.embed(ids, types, std::span(&all, 1), tables, out); });
  return out;
}

activations device_conformance::empty(uint32_t rows, uint32_t features) {
  uint64_t size_bytes = 0;
  on_device([&](kernels& compute) { size_bytes = compute.activation_bytes(rows, features); });
  auto memory = device_->allocate(size_bytes);
  EXPECT_TRUE(memory) << memory.error().message;
  buffers_.push_back(std::move(*memory));
  return {buffers_.back()->region().slice(0, size_bytes), rows, features};
}

matrix device_conformance::download(activations from) {
  matrix m{from.rows, from.features, std::vector<float>(static_cast<size_t>(from.rows) * from.features)};
  on_device([&](kernels& compute) {
    for (uint32_t row = 0; row < from.rows; ++row) {
      compute.read(from, row, std::span(m.values).subspan(static_cast<size_t>(row) * from.features, from.features));
    }
  });
  return m;
}

void device_conformance::on_device(const std::function<void(kernels&)>& work) {
  // Shared: the executor may still be inside set_value() when the waiter goes on.
  const auto finished = std::make_shared<std::promise<void>>();
  auto accepted = device_->execute([&, finished] {
    work(device_->operators());
    finished->set_value();
  });
  ASSERT_TRUE(accepted) << accepted.error().message;
  finished->get_future().wait();
}

TEST_P(device_conformance, SaysWhatItIs) {
  EXPECT_EQ(device_->info().name, "device0");
  EXPECT_FALSE(device_->info().isa.empty());
  EXPECT_GE(device_->memory().size_bytes(), arena_bytes);
  EXPECT_EQ(device_->memory().size_bytes() % (2u << 20), 0u);
}

TEST_P(device_conformance, RunsWorkInOrderOnAThreadOfItsOwn) {
  std::vector<int> order;
  std::thread::id thread;
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(device_->execute([&order, i] { order.push_back(i); }));
  on_device([&](kernels&) { thread = std::this_thread::get_id(); });
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
  EXPECT_NE(thread, std::this_thread::get_id());
}

TEST_P(device_conformance, RefusesWorkWhenItsQueueIsFull) {
  std::promise<void> began, go_on;
  ASSERT_TRUE(device_->execute([&] {
    began.set_value();
    go_on.get_future().wait();
  }));
  began.get_future().wait();
  for (size_t i = 0; i < device::queue_bound; ++i) ASSERT_TRUE(device_->execute([] {}));
  const auto refused = device_->execute([] {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, core::errc::busy);
  go_on.set_value();
  device_.reset(); // before the promises
}

TEST_P(device_conformance, FinishesAcceptedWorkBeforeItGoes) {
  std::atomic<int> ran{0};
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(device_->execute([&] { ++ran; }));
  device_.reset();
  EXPECT_EQ(ran, 10);
}

TEST_P(device_conformance, EmbedsWordTypeAndPlaceOfEverySequence) {
  const matrix word = random_matrix(50, 24), position = random_matrix(16, 24), type = random_matrix(2, 24);
  const auto sequences = spans_of({5, 1, 16, 3});
  std::vector<int32_t> ids, types;
  std::vector<double> expected;
  for (const row_span& rows : sequences) {
    for (uint32_t i = 0; i < rows.count; ++i) {
      ids.push_back(static_cast<int32_t>(random_.below(50)));
      types.push_back(static_cast<int32_t>(random_.below(2)));
      for (uint32_t f = 0; f < 24; ++f) {
        expected.push_back(double{word.at(static_cast<uint32_t>(ids.back()), f)} + position.at(i, f) +
                           type.at(static_cast<uint32_t>(types.back()), f));
      }
    }
  }
  const activations out = empty(25, 24);
  const embedding_tables tables{upload(word.values), upload(position.values), upload(type.values)};
  on_device([&](kernels& compute) { compute.embed(ids, types, sequences, tables, out); });
  EXPECT_LT(relative_error(download(out).values, expected), 1e-7);
}

TEST_P(device_conformance, EmbedsWordAndPlaceWhereThereAreNoTypes) {
  const matrix word = random_matrix(50, 24), position = random_matrix(16, 24);
  const auto sequences = spans_of({3, 16});
  std::vector<int32_t> ids;
  std::vector<double> expected;
  for (const row_span& rows : sequences) {
    for (uint32_t i = 0; i < rows.count; ++i) {
      ids.push_back(static_cast<int32_t>(random_.below(50)));
      for (uint32_t f = 0; f < 24; ++f)
        expected.push_back(double{word.at(static_cast<uint32_t>(ids.back()), f)} + position.at(i, f));
    }
  }
  const activations out = empty(19, 24);
  const embedding_tables tables{upload(word.values), upload(position.values), nullptr};
  on_device([&](kernels& compute) { compute.embed(ids, std::vector<int32_t>(ids.size()), sequences, tables, out); });
  EXPECT_LT(relative_error(download(out).values, expected), 1e-7);
}

TEST_P(device_conformance, MultipliesMatricesOfAnyShape) {
  struct shape {
    uint32_t rows, inputs, outputs;
  };
  for (const auto& [rows, inputs, outputs] : {shape{1, 1, 1},
                                              {1, 64, 3},
                                              {16, 384, 48},
                                              {17, 385, 49},
                                              {33, 64, 192},
                                              {40, 100, 7},
                                              {150, 768, 97},
                                              {200, 1537, 60}}) {
    for (const activation act :
         {activation::none, activation::gelu_erf, activation::gelu_tanh, activation::relu, activation::tanh}) {
      const matrix in = random_matrix(rows, inputs), weight = random_matrix(outputs, inputs, -0.3, 0.3),
                   bias = random_matrix(1, outputs);
      const activations x = uploaded(in), y = empty(rows, outputs);
      const linear_weights weights{upload(weight.values), upload(bias.values)};
      on_device([&](kernels& compute) { compute.linear(x, weights, act, y); });
      EXPECT_LT(relative_error(download(y).values, linear_of(in, weight, bias, act)), tolerance)
          << rows << " x " << inputs << " -> " << outputs << ", activation " << static_cast<int>(act);
      leases_.clear();
      buffers_.clear();
    }
  }
}

TEST_P(device_conformance, AddsAProductToWhatIsThere) {
  const matrix in = random_matrix(37, 500), weight = random_matrix(96, 500), bias = random_matrix(1, 96),
               before = random_matrix(37, 96);
  const activations x = uploaded(in), y = uploaded(before);
  const linear_weights weights{upload(weight.values), upload(bias.values)};
  on_device([&](kernels& compute) { compute.linear_add(x, weights, y); });
  auto expected = linear_of(in, weight, bias, activation::none);
  for (size_t i = 0; i < expected.size(); ++i) expected[i] += before.values[i];
  EXPECT_LT(relative_error(download(y).values, expected), tolerance);
}

TEST_P(device_conformance, KeepsActivationsOfExtremeInputsFinite) {
  const matrix in{6, 1, {-1e30f, -100.0f, -6.0f, 6.0f, 100.0f, 1e10f}};
  const activations x = uploaded(in), y = empty(6, 1);
  const linear_weights weights{upload({1.0f}), upload({0.0f})};
  for (const activation act : {activation::gelu_erf, activation::gelu_tanh}) {
    on_device([&](kernels& compute) { compute.linear(x, weights, act, y); });
    const matrix out = download(y);
    EXPECT_NEAR(out.values[1], 0, 2e-5);
    EXPECT_NEAR(out.values[2], 0, 2e-6);
    EXPECT_NEAR(out.values[3], 6, 2e-6);
    EXPECT_FLOAT_EQ(out.values[4], 100);
    EXPECT_FLOAT_EQ(out.values[5], 1e10f);
  }
}

TEST_P(device_conformance, AttendsWithinEachSequenceOnly) {
  for (const auto& [heads, head_width] : {std::pair{2u, 32u}, {3u, 64u}, {1u, 128u}, {3u, 20u}, {2u, 1u}}) {
    const auto sequences = spans_of({1, 16, 5, 40, 70, 2, 128, 17});
    const uint32_t rows = sequences.back().first + sequences.back().count;
    const matrix qkv = random_matrix(rows, 3 * heads * head_width, -2, 2);
    const activations x = uploaded(qkv), y = empty(rows, heads * head_width);
    on_device([&](kernels& compute) { compute.attention(x, sequences, heads, y); });
    EXPECT_LT(relative_error(download(y).values, attention_of(qkv, sequences, heads)), tolerance)
        << heads << " x " << head_width;
    leases_.clear();
    buffers_.clear();
  }
}

TEST_P(device_conformance, AttentionSurvivesScoresThatWouldOverflow) {
  matrix qkv = random_matrix(20, 3 * 32, -1, 1);
  for (uint32_t row = 0; row < 20; ++row) {
    for (uint32_t f = 0; f < 64; ++f) qkv.values[row * 96 + f] *= 60; // scores of several thousand
  }
  const auto sequences = spans_of({20});
  const activations x = uploaded(qkv), y = empty(20, 32);
  on_device([&](kernels& compute) { compute.attention(x, sequences, 1, y); });
  for (const float value : download(y).values) EXPECT_LE(std::abs(value), 1.0f);
}

TEST_P(device_conformance, NormalisesEveryRowByItself) {
  for (const uint32_t features : {1u, 7u, 384u, 770u}) {
    const matrix in = random_matrix(35, features, -3, 5), scale = random_matrix(1, features),
                 shift = random_matrix(1, features);
    const activations x = uploaded(in);
    const norm_weights weights{upload(scale.values), upload(shift.values), 1e-5f};
    on_device([&](kernels& compute) { compute.layer_norm(x, weights); });
    std::vector<double> expected;
    for (uint32_t row = 0; row < 35; ++row) {
      double mean = 0, variance = 0;
      for (uint32_t f = 0; f < features; ++f) mean += double{in.at(row, f)} / features;
      for (uint32_t f = 0; f < features; ++f) variance += (in.at(row, f) - mean) * (in.at(row, f) - mean) / features;
      for (uint32_t f = 0; f < features; ++f) {
        expected.push_back((in.at(row, f) - mean) / std::sqrt(variance + double{1e-5f}) * scale.values[f] +
                           shift.values[f]);
      }
    }
    EXPECT_LT(relative_error(download(x).values, expected), tolerance) << features;
    leases_.clear();
    buffers_.clear();
  }
}

TEST_P(device_conformance, PoolsSequencesInEveryWay) {
  const auto sequences = spans_of({3, 1, 30, 16});
  const matrix in = random_matrix(50, 40);
  const activations x = uploaded(in), y = empty(4, 40);
  for (const pooling how : {pooling::mean, pooling::first, pooling::max, pooling::mean_sqrt_length}) {
    on_device([&](kernels& compute) { compute.pool(x, sequences, how, y); });
    std::vector<double> expected;
    for (const row_span& rows : sequences) {
      for (uint32_t f = 0; f < 40; ++f) {
        double sum = 0, largest = -INFINITY;
        for (uint32_t i = 0; i < rows.count; ++i) {
          sum += in.at(rows.first + i, f);
          largest = std::max(largest, double{in.at(rows.first + i, f)});
        }
        expected.push_back(how == pooling::first  ? in.at(rows.first, f)
                           : how == pooling::max  ? largest
                           : how == pooling::mean ? sum / rows.count
                                                  : sum / std::sqrt(static_cast<double>(rows.count)));
      }
    }
    EXPECT_LT(relative_error(download(y).values, expected), tolerance) << static_cast<int>(how);
  }
}

TEST_P(device_conformance, MakesRowsUnitLengthAndLeavesZeroAlone) {
  matrix in = random_matrix(18, 30);
  std::fill_n(in.values.begin() + 5 * 30, 30, 0.0f);
  const activations x = uploaded(in);
  on_device([&](kernels& compute) { compute.normalize(x); });
  const matrix out = download(x);
  for (uint32_t row = 0; row < 18; ++row) {
    double squares = 0;
    for (uint32_t f = 0; f < 30; ++f) squares += double{out.at(row, f)} * out.at(row, f);
    EXPECT_NEAR(squares, row == 5 ? 0 : 1, 1e-6) << row;
  }
}

TEST_P(device_conformance, GivesARowTheSameBitsInEveryBatch) {
  const matrix weight = random_matrix(70, 96), bias = random_matrix(1, 70), scale = random_matrix(1, 70),
               shift = random_matrix(1, 70);
  const matrix wide = random_matrix(60, 96), qkv = random_matrix(60, 96);
  const linear_weights weights{upload(weight.values), upload(bias.values)};
  const norm_weights norm{upload(scale.values), upload(shift.values), 1e-12f};
  // Rows [23, 42) of a batch with other sequences around them, and the same rows alone.
  const auto run = [&](uint32_t first, uint32_t count, std::span<const row_span> sequences) {
    const auto rows = [&](const matrix& from) {
      return uploaded({count, 96, {from.values.begin() + first * 96, from.values.begin() + (first + count) * 96}});
    };
    const activations x = rows(wide), y = empty(count, 70), q = rows(qkv), context = empty(count, 32);
    on_device([&](kernels& compute) {
      compute.linear(x, weights, activation::gelu_erf, y);
      compute.layer_norm(y, norm);
      compute.attention(q, sequences, 2, context);
    });
    return std::pair{download(y), download(context)};
  };
  const auto [all, all_context] = run(0, 60, spans_of({23, 19, 18}));
  const auto [alone, alone_context] = run(23, 19, spans_of({19}));
  EXPECT_TRUE(std::equal(alone.values.begin(), alone.values.end(), all.values.begin() + 23 * 70));
  EXPECT_TRUE(
      std::equal(alone_context.values.begin(), alone_context.values.end(), all_context.values.begin() + 23 * 32));
}

} // namespace fastptm::gpu::conformance
