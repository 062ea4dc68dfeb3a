#pragma once
/// @file The gate between training data and benchmarks.
#include <reasonembed/config.hpp>
#include <reasonembed/core/aligned_buffer.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/stable_sort.hpp>
#include <reasonembed/core/string_index.hpp>
#include <reasonembed/core/thread_pool.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/data/text_table.hpp>
#include <reasonembed/data/training_row.hpp>
#include <reasonembed/remixer/benchmark_items.hpp>
#include <reasonembed/remixer/contamination_report.hpp>
#include <reasonembed/remixer/shingles.hpp>
#include <reasonembed/retrieval/flat_index.hpp>
#include <reasonembed/retrieval/search.hpp>
#include <reasonembed/retrieval/text_embedder.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// Finds training rows that hold queries or gold documents of benchmarks.
///
/// Texts are compared as words in lower case (normalized_words): case, punctuation and white space hide nothing. Three
/// kinds of leaks are told apart: the same words; `ngram` words in a row in common, of which the longest run is shown
/// (what has fewer words than that leaks by being the same); and, with a model, nearly the same vector, queries against
/// queries and positives against gold documents, of the ten nearest each.
///
/// @note  memory: 16 bytes a word of the benchmarks. Results depend on texts and options alone, not on the pool.
class ContaminationGate {
 public:
  using Options = ContaminationOptions;

  /// @throws  ConfigError if ngram is negative or cosine not in [0, 1]
  explicit ContaminationGate(Options options = {}) : options_(options) {
    if (options.ngram < 0) {
      throw ConfigError::invalid("remixer::ContaminationGate", "ngram", std::to_string(options.ngram), "at least 0");
    }
    if (!(options.cosine >= 0 && options.cosine <= 1)) {
      throw ConfigError::invalid(
          "remixer::ContaminationGate", "cosine", std::to_string(options.cosine), "a number in [0, 1]");
    }
  }

  /// @throws  ConfigError if a benchmark of this name is there already
  void add(const std::string& name, std::span<const BenchmarkItem> items) {
    CheckedBenchmark benchmark{name, 0, 0};
    for (const CheckedBenchmark& other : benchmarks_) {
      if (other.name == name) {
        throw ConfigError::invalid("remixer::ContaminationGate", "name", io::in_quotes(name), "another one");
      }
    }
    for (const BenchmarkItem& item : items) {
      const auto number = static_cast<std::uint32_t>(items_.size());
      (item.part == BenchmarkPart::kQuery ? benchmark.queries : benchmark.documents) += 1;
      Item own{item, benchmarks_.size(), {}};
      for (const std::string& word : normalized_words(item.text)) {
        own.words.push_back(static_cast<Word>(vocabulary_.add(word).first));
      }
      if (!own.words.empty()) {
        whole_.push_back({hash(own.words), number, 0});
      }
      for_each_ngram(own.words, [&](std::size_t at, std::uint64_t key) {
        ngrams_.push_back({key, number, static_cast<std::uint32_t>(at)});
      });
      items_.push_back(std::move(own));
    }
    std::sort(whole_.begin(), whole_.end());
    std::sort(ngrams_.begin(), ngrams_.end());
    benchmarks_.push_back(std::move(benchmark));
  }

  /// Looks for leaks by words.
  ///
  /// @param pool  shares the rows, may be null
  /// @throws      ConfigError if options.cosine asks for vectors: that needs a model
  [[nodiscard]] ContaminationReport check(std::span<const data::TrainingRow> rows,
                                          const ThreadPool* pool = nullptr) const {
    if (options_.cosine > 0) {
      throw ConfigError::invalid("remixer::ContaminationGate::check",
                                 "cosine",
                                 std::to_string(options_.cosine),
                                 "0, or a model to embed with");
    }
    return check_words(rows, pool);
  }
  /// Looks for leaks by words and, if options.cosine is above 0, by vectors.
  ///
  /// @tparam M  models TextEmbedder
  /// @throws    NonFiniteError if a vector is not finite
  template <retrieval::TextEmbedder M>
  [[nodiscard]] ContaminationReport check(std::span<const data::TrainingRow> rows, const M& model) const {
    ContaminationReport report = check_words(rows, &model.pool());
    if (options_.cosine > 0) {
      check_queries(rows, model, report);
      if (options_.positives) {
        check_positives(rows, model, report);
      }
      sort_leaks(report);
    }
    return report;
  }

 private:
  using Word = std::uint32_t;
  static constexpr Word kUnknown = 0xFFFFFFFFU;  // a word that no benchmark has

  struct Item {
    BenchmarkItem text;
    std::size_t benchmark = 0;
    std::vector<Word> words;
  };
  /// Where a run of words is found: item and first word.
  struct Place {
    std::uint64_t key = 0;
    std::uint32_t item = 0;
    std::uint32_t at = 0;
    friend auto operator<=>(const Place&, const Place&) = default;
  };
  struct Span {
    std::size_t at = 0;  // in the training text
    std::size_t length = 0;
  };

  static std::uint64_t hash(std::span<const Word> words) {
    return detail::text_hash({reinterpret_cast<const char*>(words.data()), words.size_bytes()});
  }
  template <class F>
  void for_each_ngram(std::span<const Word> words, const F& f) const {
    const auto length = static_cast<std::size_t>(options_.ngram);
    for (std::size_t at = 0; length > 0 && at + length <= words.size(); ++at) {
      f(at, hash(words.subspan(at, length)));
    }
  }
  static auto places_of(const std::vector<Place>& places, std::uint64_t key) {
    const auto first = std::lower_bound(places.begin(), places.end(), Place{key, 0, 0});
    auto last = first;
    while (last != places.end() && last->key == key) {
      ++last;
    }
    return std::span<const Place>(first, last);
  }

  [[nodiscard]] ContaminationReport check_words(std::span<const data::TrainingRow> rows, const ThreadPool* pool) const {
    std::vector<std::vector<Leak>> found(rows.size());
    retrieval::detail::for_each_item(pool, static_cast<Index>(rows.size()), [&](Index item, int) {
      const data::TrainingRow& row = rows[static_cast<std::size_t>(item)];
      std::vector<Leak>& leaks = found[static_cast<std::size_t>(item)];
      find_leaks(row.query, {item, RowPart::kQuery}, leaks);
      find_leaks(row.reasoning_query, {item, RowPart::kReasoningQuery}, leaks);
      for (std::size_t i = 0; options_.positives && i < row.pos.size(); ++i) {
        find_leaks(row.pos[i], {item, RowPart::kPositive, static_cast<Index>(i)}, leaks);
      }
    });
    ContaminationReport report{static_cast<Index>(rows.size()), options_, benchmarks_, {}};
    for (std::vector<Leak>& leaks : found) {
      report.leaks.insert(report.leaks.end(), leaks.begin(), leaks.end());
    }
    return report;
  }
  /// @param place  row and part
  void find_leaks(std::string_view text, Leak place, std::vector<Leak>& leaks) const {
    std::vector<Word> words;
    const std::vector<std::string> spelled = normalized_words(text);
    for (const std::string& word : spelled) {
      const Index number = vocabulary_.find(word);
      words.push_back(number == StringIndex::kAbsent ? kUnknown : static_cast<Word>(number));
    }
    std::map<std::uint32_t, Span> exact;
    for (const Place& whole : places_of(whole_, hash(words))) {
      if (items_[whole.item].words == words) {
        exact[whole.item] = {0, words.size()};
      }
    }
    std::map<std::uint32_t, Span> longest;
    for_each_ngram(words, [&](std::size_t at, std::uint64_t key) {
      for (const Place& other : places_of(ngrams_, key)) {
        const Span span = common_run(words, at, items_[other.item].words, other.at);
        if (span.length > longest[other.item].length) {
          longest[other.item] = span;
        }
      }
    });
    for (std::uint32_t item = 0; item < items_.size() && !(exact.empty() && longest.empty()); ++item) {
      const bool same = exact.contains(item);
      const auto run = longest.find(item);
      if (!same && (run == longest.end() || run->second.length == 0)) {
        continue;
      }
      const Span span = same ? exact[item] : run->second;
      place.kind = same ? LeakKind::kExact : LeakKind::kNgram;
      place.score = same ? 1.0 : static_cast<double>(span.length);
      place.evidence = shown(spelled, span);
      leaks.push_back(about(item, place));
    }
  }
  /// The run of equal words from these places on; empty if it began one word before, where it has been found already,
  /// or if the texts differ and only their hashes agree.
  [[nodiscard]] Span common_run(std::span<const Word> a, std::size_t i, std::span<const Word> b, std::size_t j) const {
    if (i > 0 && j > 0 && a[i - 1] == b[j - 1]) {
      return {};
    }
    std::size_t length = 0;
    while (i + length < a.size() && j + length < b.size() && a[i + length] == b[j + length]) {
      ++length;
    }
    return length < static_cast<std::size_t>(options_.ngram) ? Span{} : Span{i, length};
  }
  /// The words of a span, the middle of a long one left out.
  static std::string shown(const std::vector<std::string>& words, Span span) {
    constexpr std::size_t kMost = 40;
    std::string text;
    for (std::size_t i = 0; i < span.length; ++i) {
      if (span.length > kMost && i == kMost / 2) {
        text += " ...";
        i = span.length - kMost / 2;
      }
      text += (i == 0 ? "" : " ") + words[span.at + i];
    }
    return text;
  }
  [[nodiscard]] Leak about(std::uint32_t item, Leak leak) const {
    leak.benchmark = benchmarks_[items_[item].benchmark].name;
    leak.item_part = items_[item].text.part;
    leak.item = items_[item].text.id;
    return leak;
  }

  [[nodiscard]] std::vector<std::uint32_t> items_of(BenchmarkPart part) const {
    std::vector<std::uint32_t> numbers;
    for (std::uint32_t i = 0; i < items_.size(); ++i) {
      if (items_[i].text.part == part) {
        numbers.push_back(i);
      }
    }
    return numbers;
  }
  /// A text of the rows: distinct ones are encoded once, however many rows have them.
  struct Occurrence {
    Leak place;
    data::TextTable::Number text = 0;
  };
  struct RowTexts {
    data::TextTable distinct;
    std::vector<Occurrence> places;

    void add(Leak place, std::string_view text) { places.push_back({std::move(place), distinct.add(text)}); }
    template <class Text>
    [[nodiscard]] std::vector<Text> texts() const {
      std::vector<Text> all;
      for (data::TextTable::Number i = 0; static_cast<Index>(i) < distinct.size(); ++i) {
        all.emplace_back(distinct[i]);
      }
      return all;
    }
  };

  template <class M>
  void check_queries(std::span<const data::TrainingRow> rows, const M& model, ContaminationReport& report) const {
    const std::vector<std::uint32_t> items = items_of(BenchmarkPart::kQuery);
    std::vector<std::string_view> theirs;
    for (const std::uint32_t item : items) {
      theirs.push_back(items_[item].text.text);
    }
    RowTexts ours;
    for (std::size_t row = 0; row < rows.size(); ++row) {
      ours.add({static_cast<Index>(row), RowPart::kQuery}, rows[row].query);
    }
    if (!ours.places.empty() && !theirs.empty()) {
      const auto queries = ours.texts<std::string_view>();
      compare(model.encode_query(queries, nullptr), ours, model.encode_query(theirs, nullptr), items, model, report);
    }
  }
  template <class M>
  void check_positives(std::span<const data::TrainingRow> rows, const M& model, ContaminationReport& report) const {
    const std::vector<std::uint32_t> items = items_of(BenchmarkPart::kDocument);
    std::vector<std::string> theirs;
    for (const std::uint32_t item : items) {
      theirs.push_back(items_[item].text.text);
    }
    RowTexts ours;
    for (std::size_t row = 0; row < rows.size(); ++row) {
      for (std::size_t i = 0; i < rows[row].pos.size(); ++i) {
        ours.add({static_cast<Index>(row), RowPart::kPositive, static_cast<Index>(i)}, rows[row].pos[i]);
      }
    }
    if (!ours.places.empty() && !theirs.empty()) {
      const auto documents = ours.texts<std::string>();
      compare(model.encode_document(documents, nullptr),
              ours,
              model.encode_document(theirs, nullptr),
              items,
              model,
              report);
    }
  }
  /// Adds the pairs whose cosine reaches the threshold and that words have not given away yet, of the items nearest to
  /// each text.
  template <class M>
  void compare(Matrix<float> ours,
               const RowTexts& texts,
               Matrix<float> theirs,
               const std::vector<std::uint32_t>& items,
               const M& model,
               ContaminationReport& report) const {
    constexpr Index kNearest = 10;  // a text near more items than that is found all the same
    normalize(ours);
    normalize(theirs);
    std::set<Key> known;
    for (const Leak& leak : report.leaks) {
      known.insert(key_of(leak));
    }
    const retrieval::FlatIndex index(theirs);
    const retrieval::Rankings hits = index.search(ours, {.top_k = kNearest, .pool = &model.pool()});
    for (const Occurrence& occurrence : texts.places) {
      for (const retrieval::Hit& hit : hits[occurrence.text]) {
        if (static_cast<double>(hit.score) < options_.cosine) {
          break;
        }
        const std::uint32_t item = items[static_cast<std::size_t>(hit.document)];
        Leak leak = about(item, occurrence.place);
        leak.kind = LeakKind::kEmbedding;
        leak.score = static_cast<double>(hit.score);
        const std::vector<std::string> words = normalized_words(items_[item].text.text);
        leak.evidence = shown(words, {0, words.size()});
        if (!known.contains(key_of(leak))) {
          report.leaks.push_back(std::move(leak));
        }
      }
    }
  }
  using Key = std::tuple<Index, RowPart, Index, std::string, BenchmarkPart, std::string>;
  static Key key_of(const Leak& leak) {
    return {leak.row, leak.part, leak.positive, leak.benchmark, leak.item_part, leak.item};
  }
  /// Scales the rows to unit length; what has no length stays.
  static void normalize(Matrix<float>& rows) {
    for (Index i = 0; i < rows.rows(); ++i) {
      double squares = 0;
      for (const float x : rows.row(i)) {
        squares += static_cast<double>(x) * static_cast<double>(x);
      }
      const double scale = squares > 0 ? 1 / std::sqrt(squares) : 1.0;
      for (float& x : rows.row(i)) {
        x = static_cast<float>(static_cast<double>(x) * scale);
      }
    }
  }
  static void sort_leaks(ContaminationReport& report) {
    stable_sort(report.leaks, [](const Leak& a, const Leak& b) {
      return std::tuple(a.row, a.part, a.positive) < std::tuple(b.row, b.part, b.positive);
    });
  }

  Options options_;
  std::vector<CheckedBenchmark> benchmarks_;
  StringIndex vocabulary_;
  std::vector<Item> items_;
  std::vector<Place> whole_;   // sorted
  std::vector<Place> ngrams_;  // sorted
};

}  // namespace reasonembed::remixer
