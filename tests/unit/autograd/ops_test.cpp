#include <reasonembed/autograd/ops.hpp>

#include <doctest/doctest.h>

#include <support/tape.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace re = reasonembed;
namespace ag = reasonembed::autograd;
using ag::Tape;
using ag::Var;
using re::Index;
using re::Matrix;
using test::DoubleTape;
using test::Inputs;

namespace {

// example-begin tape_info_nce
/// InfoNCE: each query is to find its own document among all of the batch   [van den Oord et al. 2018, eq. 4]
template <class T>
Var<T> info_nce(Var<T> queries, Var<T> documents, std::span<const Index> relevant, T temperature) {
  const Var<T> cosine = ag::matmul_nt(ag::normalize_rows(queries), ag::normalize_rows(documents));  // (B, N)
  return -ag::mean(ag::pick(ag::log_softmax_rows(cosine / temperature), relevant));                 // nats
}
// example-end tape_info_nce

const std::vector<Index> kRelevant{0, 3, 1};

}  // namespace

TEST_SUITE("autograd/ops") {
  TEST_CASE("info_nce: a contrastive loss in two lines has the right gradient") {
    for (const double temperature : {1.0, 0.1, 0.02}) {
      CAPTURE(temperature);
      test::expect_gradient([&](DoubleTape&, const Inputs& x) { return info_nce(x[0], x[1], kRelevant, temperature); },
                            {{3, 6}, {4, 6}},
                            0.1,
                            2.0);
    }
  }

  TEST_CASE("info_nce: equals plain loops") {
    const Matrix<double> q = test::random_matrix(3, 6, 1);
    const Matrix<double> d = test::random_matrix(4, 6, 2);
    double expected = 0.0;
    for (Index row = 0; row < 3; ++row) {
      std::vector<double> score(4);
      double normalizer = 0.0;
      for (Index doc = 0; doc < 4; ++doc) {
        double dot = 0.0;
        double qq = 0.0;
        double dd = 0.0;
        for (Index k = 0; k < 6; ++k) {
          dot += q(row, k) * d(doc, k);
          qq += q(row, k) * q(row, k);
          dd += d(doc, k) * d(doc, k);
        }
        score[static_cast<std::size_t>(doc)] = dot / std::sqrt(qq * dd) / 0.1;
        normalizer += std::exp(score[static_cast<std::size_t>(doc)]);
      }
      const auto relevant = static_cast<std::size_t>(kRelevant[static_cast<std::size_t>(row)]);
      expected += (std::log(normalizer) - score[relevant]) / 3.0;
    }
    Tape<double> tape;
    const Var<double> loss = info_nce(tape.leaf(q.view()), tape.leaf(d.view()), kRelevant, 0.1);
    CHECK(loss.item() == doctest::Approx(expected).epsilon(1e-13));
  }

  TEST_CASE("info_nce: is unchanged when the documents are permuted with the labels") {
    const Matrix<double> q = test::random_matrix(3, 6, 1);
    const Matrix<double> d = test::random_matrix(4, 6, 2);
    const std::vector<Index> order{2, 0, 3, 1};    // new place i holds old document order[i]
    const std::vector<Index> relabelled{1, 2, 3};  // of the old labels 0, 3, 1
    Tape<double> tape;
    const Var<double> queries = tape.leaf(q.view());
    const Var<double> documents = tape.leaf(d.view());
    const double straight = info_nce(queries, documents, kRelevant, 0.1).item();
    const double permuted = info_nce(queries, ag::gather_rows(documents, order), relabelled, 0.1).item();
    CHECK(permuted == doctest::Approx(straight).epsilon(1e-14));
  }

  TEST_CASE("two layers: a perceptron with bias, relu and softmax has the right gradient") {
    const std::vector<Index> labels{1, 0, 2, 1, 0};
    const auto network = [&](DoubleTape&, const Inputs& x) {
      const Var<double> hidden = ag::relu(ag::add(ag::matmul(x[0], x[1]), x[2]));            // (5, 7)
      const Var<double> logits = ag::add(ag::matmul_nt(hidden, x[3]), ag::transpose(x[4]));  // (5, 3)
      return -ag::mean(ag::pick(ag::log_softmax_rows(logits), labels));
    };
    test::expect_gradient(network, {{5, 4}, {4, 7}, {1, 7}, {3, 7}, {3, 1}}, 0.05, 1.0);
  }

  TEST_CASE("gradient descent: learns to tell four points apart") {
    Matrix<float> weight(2, 8);
    Matrix<float> bias(1, 8);
    Matrix<float> out(8, 2);
    for (const auto& [matrix, seed] : {std::pair{&weight, 1U}, {&bias, 2U}, {&out, 3U}}) {
      const Matrix<float> start = test::random_matrix<float>(matrix->rows(), matrix->cols(), seed);
      std::copy(start.flat().begin(), start.flat().end(), matrix->flat().begin());
    }
    Matrix<float> points(4, 2);  // exclusive or
    points(1, 1) = points(2, 0) = points(3, 0) = points(3, 1) = 1.0F;
    const std::vector<Index> labels{0, 1, 1, 0};
    std::vector<Matrix<float>> gradients;
    gradients.emplace_back(2, 8);
    gradients.emplace_back(1, 8);
    gradients.emplace_back(8, 2);
    Tape<float> tape;
    const auto step = [&](float rate) {
      tape.clear();
      for (Matrix<float>& g : gradients) {
        std::fill(g.flat().begin(), g.flat().end(), 0.0F);
      }
      const Var<float> w = tape.parameter(weight.view(), gradients[0].view());
      const Var<float> b = tape.parameter(bias.view(), gradients[1].view());
      const Var<float> v = tape.parameter(out.view(), gradients[2].view());
      const Var<float> hidden = ag::relu(ag::matmul(tape.constant(points.view()), w) + b);
      const Var<float> loss = -ag::mean(ag::pick(ag::log_softmax_rows(ag::matmul(hidden, v)), labels));
      tape.backward(loss);
      const std::vector<Matrix<float>*> parameters{&weight, &bias, &out};
      const float value = loss.item();
      for (std::size_t p = 0; p < parameters.size(); ++p) {
        for (std::size_t i = 0; i < parameters[p]->flat().size(); ++i) {
          parameters[p]->flat()[i] -= rate * gradients[p].flat()[i];
        }
      }
      return value;
    };
    const float first = step(0.5F);
    float last = first;
    for (int i = 0; i < 500; ++i) {
      last = step(0.5F);
    }
    CHECK(first > 0.5F);
    CHECK(last < 0.02F);
  }

  TEST_CASE("embeddings as one node: the gradient of a loss reaches parameters outside of the tape") {
    // token ids in, mean of the tokens' rows out; the table and its gradient are outside, as in an encoder
    const std::vector<std::vector<Index>> texts{{0, 2}, {1}, {3, 3, 2}, {4, 0}};
    const auto loss = [&](std::span<const double> table, std::span<double> gradient) {
      const re::MatrixView<const double> rows(table.data(), 5, 3);
      Matrix<double> d_table(5, 3);
      Tape<double> tape;
      const Var<double> embeddings = tape.custom(
          4,
          3,
          {},
          [&](re::MatrixView<double> y) {
            for (Index text = 0; text < 4; ++text) {
              const auto& ids = texts[static_cast<std::size_t>(text)];
              for (Index col = 0; col < 3; ++col) {
                y(text, col) = 0.0;
                for (const Index id : ids) {
                  y(text, col) += rows(id, col) / static_cast<double>(ids.size());
                }
              }
            }
          },
          [&texts, d = d_table.view()](re::MatrixView<const double>, re::MatrixView<const double> dy) {
            for (Index text = 0; text < 4; ++text) {
              const auto& ids = texts[static_cast<std::size_t>(text)];
              for (const Index id : ids) {
                for (Index col = 0; col < 3; ++col) {
                  d(id, col) += dy(text, col) / static_cast<double>(ids.size());
                }
              }
            }
          });
      const std::vector<Index> queries{0, 1};
      const std::vector<Index> documents{2, 3};
      const std::vector<Index> relevant{1, 0};
      const Var<double> value =
          info_nce(ag::gather_rows(embeddings, queries), ag::gather_rows(embeddings, documents), relevant, 0.5);
      if (!gradient.empty()) {
        tape.backward(value);
        std::copy(d_table.flat().begin(), d_table.flat().end(), gradient.begin());
      }
      return value.item();
    };
    const Matrix<double> table = test::random_matrix(5, 3, 6);
    const auto report = ag::check_gradient(loss, table.flat());
    CHECK_MESSAGE(report.passed, report.message());
    CHECK(report.checked == 15);
  }

  TEST_CASE("gradient cache: chunks replayed with the loss's gradient give the gradient of the whole") {
    const Matrix<double> x = test::random_matrix(6, 4, 1);
    const Matrix<double> w = test::random_matrix(4, 3, 2);
    const std::vector<Index> relevant{5, 4, 3, 2, 1, 0};
    const auto encode = [&](Tape<double>& tape, re::MatrixView<const double> rows, Var<double> weight) {
      return ag::normalize_rows(ag::matmul(tape.constant(rows), weight));
    };
    Matrix<double> whole(4, 3);
    Matrix<double> chunked(4, 3);
    Matrix<double> embeddings(6, 3);
    Matrix<double> d_embeddings(6, 3);
    {
      Tape<double> tape;
      const Var<double> e = encode(tape, x.view(), tape.parameter(w.view(), whole.view()));
      tape.backward(info_nce(e, e, relevant, 0.2));
      std::copy(e.value().flat().begin(), e.value().flat().end(), embeddings.flat().begin());
    }
    {
      Tape<double> tape;
      const Var<double> e = tape.leaf(embeddings.view());
      tape.backward(info_nce(e, e, relevant, 0.2));
      std::copy(e.gradient().flat().begin(), e.gradient().flat().end(), d_embeddings.flat().begin());
    }
    for (const Index start : {0, 2, 4}) {
      Tape<double> tape;
      const Var<double> e = encode(tape, x.view().row_block(start, 2), tape.parameter(w.view(), chunked.view()));
      tape.backward(e, d_embeddings.view().row_block(start, 2));
    }
    for (std::size_t i = 0; i < whole.flat().size(); ++i) {
      CHECK(chunked.flat()[i] == doctest::Approx(whole.flat()[i]).epsilon(1e-12));
    }
  }

  TEST_CASE("float: every operation agrees with double in value and gradient") {
    const Matrix<double> a = test::random_matrix(5, 7, 1, 0.3, 2.0);
    const Matrix<double> b = test::random_matrix(5, 7, 2, 0.3, 2.0);
    const auto narrow = [](const Matrix<double>& wide) {
      Matrix<float> result(wide.rows(), wide.cols());
      for (std::size_t i = 0; i < wide.flat().size(); ++i) {
        result.flat()[i] = static_cast<float>(wide.flat()[i]);
      }
      return result;
    };
    const Matrix<float> a_float = narrow(a);
    const Matrix<float> b_float = narrow(b);
    const std::vector<Index> columns{0, 6, 3, 3, 1};
    const std::vector<Index> rows{4, 0, 4};
    // each gives a result of any shape from two matrices of one shape
    const auto operations = [&](auto x, auto y, int which) {
      switch (which) {
        case 0:
          return ag::add(x, y);
        case 1:
          return ag::subtract(x, y);
        case 2:
          return ag::multiply(x, y);
        case 3:
          return ag::divide(x, y);
        case 4:
          return ag::exp(x) + ag::log(y);
        case 5:
          return ag::relu(x - y);
        case 6:
          return ag::clamp(x, 0.5, 1.5) * y;
        case 7:
          return ag::matmul_nt(x, y);
        case 8:
          return ag::matmul(ag::transpose(x), y);
        case 9:
          return ag::softmax_rows(x * y);
        case 10:
          return ag::log_softmax_rows(x * y);
        case 11:
          return ag::normalize_rows(x) * y;
        case 12:
          return ag::pick(x * y, columns);
        case 13:
          return ag::gather_rows(x * y, rows);
        case 14:
          return ag::concat_rows({x, y, x});
        case 15:
          return ag::sum_rows(x) + ag::transpose(ag::sum_cols(ag::transpose(y)));
        default:
          return ag::mean(x) * ag::sum(y);
      }
    };
    for (int which = 0; which <= 16; ++which) {
      CAPTURE(which);
      Tape<double> tape;
      Tape<float> tape_float;
      const Var<double> x = tape.leaf(a.view());
      const Var<double> y = tape.leaf(b.view());
      const Var<float> x_float = tape_float.leaf(a_float.view());
      const Var<float> y_float = tape_float.leaf(b_float.view());
      const Var<double> exact = operations(x, y, which);
      const Var<float> rounded = operations(x_float, y_float, which);
      tape.backward(ag::sum(exact * exact));
      tape_float.backward(ag::sum(rounded * rounded));
      const auto compare = [](re::MatrixView<const double> want, re::MatrixView<const float> got) {
        double largest = 0.0;
        double difference = 0.0;
        for (Index row = 0; row < want.rows(); ++row) {
          for (Index col = 0; col < want.cols(); ++col) {
            largest = std::max(largest, std::abs(want(row, col)));
            difference = std::max(difference, std::abs(want(row, col) - static_cast<double>(got(row, col))));
          }
        }
        CHECK(difference <= 100 * 6e-8 * largest);  // sums of at most 70 terms, with a factor for cancellation
      };
      compare(exact.value(), rounded.value());
      compare(x.gradient(), x_float.gradient());
      compare(y.gradient(), y_float.gradient());
    }
  }
}
