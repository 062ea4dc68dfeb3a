#include <reasonembed/retrieval/bm25.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::retrieval::Bm25;
using re::retrieval::Bm25Options;
using re::retrieval::Hit;
using re::retrieval::Rankings;
using re::retrieval::RepeatedWords;
using Texts = std::vector<std::string>;

namespace {

Texts words_of(const std::string& text) {
  Texts words;
  re::retrieval::UnicodeWords().for_each_word(text, [&](std::string_view word) { words.emplace_back(word); });
  return words;
}

/// The formula of the header in double, without an index.
std::vector<double> reference(const Texts& documents, const std::string& query, const Bm25Options& options = {}) {
  std::vector<Texts> words;
  double total = 0;
  for (const std::string& document : documents) {
    words.push_back(words_of(document));
    total += static_cast<double>(words.back().size());
  }
  const auto count = static_cast<double>(documents.size());
  std::vector<double> scores(documents.size(), 0.0);
  Texts asked = words_of(query);
  if (options.repeated_words == RepeatedWords::kOnce) {
    std::sort(asked.begin(), asked.end());
    asked.erase(std::unique(asked.begin(), asked.end()), asked.end());
  }
  for (const std::string& word : asked) {
    std::vector<double> frequency;
    double with = 0;
    for (const Texts& document : words) {
      frequency.push_back(static_cast<double>(std::count(document.begin(), document.end(), word)));
      with += frequency.back() > 0 ? 1 : 0;
    }
    const double idf = std::log(1 + (count - with + 0.5) / (with + 0.5));
    for (std::size_t n = 0; n < documents.size(); ++n) {
      const double norm = 1 - options.b + options.b * static_cast<double>(words[n].size()) / (total / count);
      scores[n] += frequency[n] == 0 ? 0 : idf * frequency[n] / (frequency[n] + static_cast<double>(options.k1) * norm);
    }
  }
  return scores;
}

/// Checks scores, order and completeness of a full ranking.
void check_ranking(const std::vector<Hit>& hits, const std::vector<double>& expected, std::size_t query_words) {
  const auto matching = std::count_if(expected.begin(), expected.end(), [](double score) { return score > 0; });
  REQUIRE(static_cast<Index>(hits.size()) == matching);
  CHECK(std::is_sorted(hits.begin(), hits.end(), re::retrieval::ranks_before));
  for (const Hit& hit : hits) {
    const double want = expected[static_cast<std::size_t>(hit.document)];
    // one rounding of each weight, and of each sum
    const double bound = static_cast<double>(query_words + 1) * std::numeric_limits<float>::epsilon() * want;
    REQUIRE(std::abs(hit.score - want) <= bound);
  }
}

Texts random_texts(int count, int longest, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<int> length(0, longest);
  std::geometric_distribution<int> word(0.1);
  Texts texts;
  for (int i = 0; i < count; ++i) {
    std::string text;
    for (int w = length(random); w > 0; --w) {
      text += "w" + std::to_string(word(random)) + " ";
    }
    texts.push_back(text);
  }
  return texts;
}

struct WholeText {
  void for_each_word(std::string_view text, re::FunctionRef<void(std::string_view)> emit) const { emit(text); }
};

}  // namespace

TEST_SUITE("retrieval/bm25") {
  TEST_CASE("search: scores by hand") {
    const Texts documents = {"a a b", "b c", "c"};
    const Bm25 index(documents, {.k1 = 1.0F, .b = 0.5F});
    CHECK(index.size() == 3);
    CHECK(index.vocabulary_size() == 3);
    const std::vector<Hit> hits = index.search(Texts{"a"})[0];
    REQUIRE(hits.size() == 1);
    // N 3, N_a 1: idf ln(1 + 2.5/1.5); length 3 over the mean of 2: norm 1 - 0.5 + 0.5 * 1.5 = 1.25; tf 2
    CHECK(hits[0].document == 0);
    CHECK(std::abs(hits[0].score - std::log(1 + 2.5 / 1.5) * 2 / 3.25) < 1e-7);
  }

  TEST_CASE("search: equals the formula over random texts, for many k1 and b") {
    const Texts documents = random_texts(120, 40, 1);
    const Texts queries = random_texts(20, 8, 2);
    for (const float k1 : {0.0F, 0.9F, 1.2F, 100.0F}) {
      for (const float b : {0.0F, 0.4F, 1.0F}) {
        for (const RepeatedWords repeated : {RepeatedWords::kEveryTime, RepeatedWords::kOnce}) {
          CAPTURE(k1);
          CAPTURE(b);
          const Bm25Options options{.k1 = k1, .b = b, .repeated_words = repeated};
          const Rankings hits = Bm25(documents, options).search(queries, {.top_k = 120});
          for (std::size_t query = 0; query < queries.size(); ++query) {
            check_ranking(hits[query], reference(documents, queries[query], options), words_of(queries[query]).size());
          }
        }
      }
    }
  }

  TEST_CASE("search: top_k is the beginning of the full ranking, without the excluded documents") {
    const Texts documents = random_texts(300, 20, 3);
    const Texts queries = random_texts(10, 6, 4);
    const Bm25 index(documents);
    const Rankings all = index.search(queries, {.top_k = 300});
    std::vector<std::vector<Index>> excluded(queries.size());
    for (std::size_t query = 0; query < queries.size(); ++query) {
      for (std::size_t i = 0; i < all[query].size(); i += 3) {
        excluded[query].push_back(all[query][i].document);
      }
      std::sort(excluded[query].begin(), excluded[query].end());
    }
    for (const Index k : {1, 5, 50, 1000}) {
      const Rankings best = index.search(queries, {.top_k = k});
      const Rankings allowed = index.search(queries, {.top_k = k, .excluded = excluded});
      for (std::size_t query = 0; query < queries.size(); ++query) {
        std::vector<Hit> expected = all[query];
        expected.resize(std::min(expected.size(), static_cast<std::size_t>(k)));
        CHECK(best[query] == expected);
        expected = all[query];
        std::erase_if(expected, [&](const Hit& hit) {
          return std::binary_search(excluded[query].begin(), excluded[query].end(), hit.document);
        });
        expected.resize(std::min(expected.size(), static_cast<std::size_t>(k)));
        CHECK(allowed[query] == expected);
      }
    }
  }

  TEST_CASE("search: bits depend neither on the pool, nor on the batch, nor on the order of the query's words") {
    const Texts documents = random_texts(400, 30, 5);
    Texts queries = random_texts(40, 10, 6);
    const Bm25 index(documents);
    const Rankings expected = index.search(queries, {.top_k = 30});
    for (const int threads : {1, 2, 5}) {
      const re::ThreadPool pool(threads);
      CHECK(index.search(queries, {.top_k = 30, .pool = &pool}) == expected);
    }
    std::mt19937 random(1);
    for (std::size_t query = 0; query < queries.size(); ++query) {
      Texts words = words_of(queries[query]);
      std::shuffle(words.begin(), words.end(), random);
      std::string shuffled;
      for (const std::string& word : words) {
        shuffled += word + "? ";
      }
      CHECK(index.search(Texts{shuffled}, {.top_k = 30})[0] == expected[query]);
    }
  }

  TEST_CASE("search: many threads may search one index at once, with one pool") {
    const Bm25 index(random_texts(300, 30, 7));
    const Texts queries = random_texts(60, 10, 8);
    const Rankings expected = index.search(queries);
    const re::ThreadPool pool(2);
    std::vector<Rankings> found(4);
    {
      std::vector<std::jthread> threads;
      for (Rankings& own : found) {
        threads.emplace_back([&] { own = index.search(queries, {.pool = &pool}); });
      }
    }
    for (const Rankings& own : found) {
      CHECK(own == expected);
    }
  }

  TEST_CASE("search: adding a document that shares no word changes the scores of the others, not their order") {
    Texts documents = random_texts(50, 20, 9);
    // without length normalisation a new document changes the weight of the word, alike for every document
    const auto order = [&](const Rankings& rankings) {
      std::vector<Index> numbers;
      for (const Hit& hit : rankings[0]) {
        numbers.push_back(hit.document);
      }
      return numbers;
    };
    const Bm25Options options{.b = 0};
    const Texts one_word = {"w1"};
    const Rankings before = Bm25(documents, options).search(one_word, {.top_k = 100});
    documents.push_back("nothing in common");
    const Rankings after = Bm25(documents, options).search(one_word, {.top_k = 100});
    CHECK(order(after) == order(before));
    CHECK(after[0][0].score > before[0][0].score);  // the word has become rarer
  }

  TEST_CASE("search: equal documents are ranked by their number") {
    const Texts documents = {"x y", "a b", "a b", "b a", "x"};
    const std::vector<Hit> hits = Bm25(documents).search(Texts{"a"})[0];
    REQUIRE(hits.size() == 3);
    CHECK(hits[0].document == 1);
    CHECK(hits[1].document == 2);
    CHECK(hits[2].document == 3);
    CHECK(hits[0].score == hits[2].score);
  }

  TEST_CASE("search: a word of every document still counts for something") {
    const Texts documents = {"a", "a b", "a b c"};
    const std::vector<Hit> hits = Bm25(documents).search(Texts{"a"})[0];
    REQUIRE(hits.size() == 3);
    CHECK(hits[2].score > 0);
    CHECK(hits[0].document == 0);  // the shortest first
  }

  TEST_CASE("search: a repeated word counts every time or once") {
    const Texts documents = {"a b", "b"};
    const Bm25 every(documents);
    const Bm25 once(documents, {.repeated_words = RepeatedWords::kOnce});
    CHECK(every.search(Texts{"a a"})[0][0].score == 2 * every.search(Texts{"a"})[0][0].score);
    CHECK(once.search(Texts{"a a"})[0] == once.search(Texts{"a"})[0]);
    CHECK(once.search(Texts{"a"})[0] == every.search(Texts{"a"})[0]);
  }

  TEST_CASE("search: queries without a known word find nothing") {
    const Bm25 index(Texts{"a b", "c"});
    const Rankings hits = index.search(Texts{"", "...", "unknown", "c"});
    CHECK(hits[0].empty());
    CHECK(hits[1].empty());
    CHECK(hits[2].empty());
    CHECK(hits[3].size() == 1);
    CHECK(index.search(Texts{}).empty());
  }

  TEST_CASE("Bm25: no documents, and documents without words, are legal") {
    CHECK(Bm25(Texts{}).search(Texts{"a"})[0].empty());
    const Bm25 blank(Texts{"", " ", "..."});
    CHECK(blank.size() == 3);
    CHECK(blank.vocabulary_size() == 0);
    CHECK(blank.search(Texts{"a"})[0].empty());
    CHECK(Bm25(Texts{"", "a"}).search(Texts{"a"})[0][0].document == 1);
  }

  TEST_CASE("Bm25: takes any analyzer") {
    const Texts documents = {"New York", "new york", "York"};
    const Bm25<WholeText> index(documents);
    const std::vector<Hit> hits = index.search(Texts{"New York"})[0];
    REQUIRE(hits.size() == 1);
    CHECK(hits[0].document == 0);
    const Bm25 stopping(
        documents, {}, re::retrieval::UnicodeWords({.stop_words = re::retrieval::StopWords::kLuceneEnglish}));
    CHECK(stopping.search(Texts{"the"})[0].empty());
  }

  TEST_CASE("Bm25: keeps no reference to the texts, and can be copied") {
    Texts documents = {"a b", "c"};
    const Bm25 index(documents);
    documents = {"x", "y"};
    const Bm25 copy = index;
    CHECK(copy.search(Texts{"a"}) == index.search(Texts{"a"}));
    CHECK(copy.search(Texts{"a"})[0].size() == 1);
  }

  TEST_CASE("Bm25: refuses options out of range") {
    const Texts documents = {"a"};
    CHECK_THROWS_WITH_AS(Bm25(documents, {.k1 = -0.5F}),
                         "retrieval::Bm25: k1 is -0.500000, expected a finite number of at least 0",
                         re::ConfigError);
    CHECK_THROWS_AS(Bm25(documents, {.k1 = std::numeric_limits<float>::quiet_NaN()}), re::ConfigError);
    CHECK_THROWS_AS(Bm25(documents, {.k1 = std::numeric_limits<float>::infinity()}), re::ConfigError);
    CHECK_THROWS_WITH_AS(
        Bm25(documents, {.b = 1.5F}), "retrieval::Bm25: b is 1.500000, expected a number in [0, 1]", re::ConfigError);
    CHECK_THROWS_AS(Bm25(documents, {.b = std::numeric_limits<float>::quiet_NaN()}), re::ConfigError);
  }

  TEST_CASE("search: refuses options that do not fit") {
    const Bm25 index(Texts{"a"});
    CHECK_THROWS_WITH_AS((void)index.search(Texts{"a"}, {.top_k = 0}),
                         "retrieval::Bm25::search: top_k is 0, expected at least 1",
                         re::ConfigError);
    const std::vector<std::vector<Index>> excluded(2);
    CHECK_THROWS_WITH_AS((void)index.search(Texts{"a"}, {.excluded = excluded}),
                         "retrieval::Bm25::search: excluded.size() is 2, expected 1",
                         re::ShapeError);
  }

  TEST_CASE("Bm25: views of documents give the index of the documents") {
    const Texts documents = {"a b", "b c c", ""};
    const std::vector<std::string_view> views(documents.begin(), documents.end());
    CHECK(Bm25(views).search(Texts{"b c"}) == Bm25(documents).search(Texts{"b c"}));
    CHECK(Bm25(views).vocabulary_size() == 3);
  }
}
