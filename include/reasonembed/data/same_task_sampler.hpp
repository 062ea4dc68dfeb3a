#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/random.hpp>
#include <reasonembed/core/view.hpp>
#include <reasonembed/data/sampler.hpp>
#include <reasonembed/data/training_batch.hpp>
#include <reasonembed/data/training_dataset.hpp>
#include <reasonembed/data/training_rows.hpp>
#include <reasonembed/io/utf8.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::data {

/// Where group and batch sizes come from.
enum class BatchSizes : bool {
  kFromRows,     ///< from the rows that state them, else from the options
  kFromOptions,  ///< from the options, whatever rows state
};

/// What happens to a row that has no negatives although its group has room for some.
enum class WithoutNegatives : bool {
  kInBatch,  ///< it is batched with its like in groups of 1: the documents of other queries are its negatives
  kRefuse,   ///< ConfigError
};

/// What happens to rows that are too few for one batch.
enum class SmallDatasets : bool {
  kLeaveOut,  ///< they are never visited, which notes() says
  kShrink,    ///< they are one smaller batch
};

/// Options of SameTaskSampler.
struct SameTaskSamplerOptions {
  std::uint64_t seed = 42;
  Index group_size = 16;  ///< documents a query, its positive included, where rows don't state one
  Index batch_size = 8;   ///< queries a batch and device, where rows don't state one
  /// Published rows state batch sizes for each of several devices (ReasonEmbed's for 8): a batch has `devices` times as
  /// many queries.
  Index devices = 1;
  BatchSizes sizes = BatchSizes::kFromRows;
  bool prompts = true;  ///< whether queries stand with the prompts of their rows, see instructed_query
  WithoutNegatives without_negatives = WithoutNegatives::kInBatch;
  SmallDatasets small_datasets = SmallDatasets::kLeaveOut;

  friend bool operator==(const SameTaskSamplerOptions&, const SameTaskSamplerOptions&) = default;

  /// Calls `f(name, value)` for every option, so that logs and checkpoints can name them.
  template <class F>
  void visit(F&& f) const {
    f("seed", seed);
    f("group_size", group_size);
    f("batch_size", batch_size);
    f("devices", devices);
    f("sizes", sizes);
    f("prompts", prompts);
    f("without_negatives", without_negatives);
    f("small_datasets", small_datasets);
  }
};

/// Batches of one dataset each, reshuffled in every epoch [ReasonEmbed 2025, released code].
///
/// The rows of a dataset that have one group size (mostly all of them) form a pool. In every epoch each pool is
/// shuffled and cut into batches, a tail that is too short for one is dropped, and the batches of all pools are
/// shuffled. So a row is visited at most once an epoch, and once unless it is in a tail. A visit takes one of its P
/// positives, each with probability 1 / P, and G - 1 of its K negatives without replacement; of fewer negatives the
/// list is repeated ceil((G - 1) / K) times before they are taken.
///
/// Models: Sampler.
///
/// @note  chance is a function of (seed, epoch) for orders and of (seed, epoch, dataset, row) for documents, by
///        Philox4x32; nothing depends on threads or on earlier batches. The first batch of an epoch costs O(rows), any
///        other O(B (G + K + P)). Memory: 8 bytes a row. Once its buffers have grown, next() allocates nothing
class SameTaskSampler {
 public:
  using Options = SameTaskSamplerOptions;

  /// @param rows  looked at as long as the sampler lives
  /// @throws      ConfigError for an option out of range, a row without negatives (if WithoutNegatives::kRefuse), a
  ///              batch of more than 2^24 documents, or if no dataset has enough rows for a batch (sizes are named)
  explicit SameTaskSampler(const TrainingRows& rows, Options options = {}) : rows_(&rows), options_(options) {
    require_at_least_one("group_size", options_.group_size);
    require_at_least_one("batch_size", options_.batch_size);
    require_at_least_one("devices", options_.devices);
    for (std::size_t dataset = 0; dataset < rows.datasets.size(); ++dataset) {
      add_pools(static_cast<Index>(dataset));
    }
    fit_batches();
    fingerprint_ = compute_fingerprint();
  }
  explicit SameTaskSampler(TrainingRows&& rows, Options options = {}) = delete;  // would outlive what it looks at

  /// @return  batches of an epoch
  [[nodiscard]] Index epoch_batches() const { return static_cast<Index>(plan_.size()); }
  /// @return  rows that an epoch visits
  [[nodiscard]] Index epoch_rows() const { return visited_; }
  /// @return  rows that an epoch leaves out: tails, and pools too small for a batch
  [[nodiscard]] Index dropped_rows() const { return rows_->size() - visited_; }
  /// @return  sentences on rows that an epoch leaves out, for whoever starts a training to show
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }
  [[nodiscard]] const Options& options() const { return options_; }

  [[nodiscard]] SamplerState state() const { return {epoch_, batch_, fingerprint_}; }
  /// @throws  ConfigError if the position is none of this sampler, or belongs to other rows or options
  void seek(const SamplerState& state) {
    if (state.fingerprint != 0 && state.fingerprint != fingerprint_) {
      throw ConfigError::invalid(kName,
                                 "fingerprint of the position",
                                 std::to_string(state.fingerprint),
                                 std::to_string(fingerprint_) + ", that of these rows and options");
    }
    if (state.epoch < 0) {
      throw ConfigError::invalid(kName, "epoch", std::to_string(state.epoch), "at least 0");
    }
    if (state.batch < 0 || state.batch > epoch_batches()) {
      throw ConfigError::invalid(kName,
                                 "batch",
                                 std::to_string(state.batch),
                                 "in [0, " + std::to_string(epoch_batches()) + "], the batches of an epoch");
    }
    const bool ended = state.batch == epoch_batches();
    epoch_ = state.epoch + (ended ? 1 : 0);
    batch_ = ended ? 0 : state.batch;
  }

  /// Fills `batch` with the batch at state() and moves on.
  void next(TrainingBatch& batch) {
    prepare_epoch();
    const Part part = plan_[static_cast<std::size_t>(batch_)];
    const Pool& pool = pools_[part.pool];
    const TrainingDataset& dataset = rows_->datasets[static_cast<std::size_t>(pool.dataset)];
    batch.clear();
    batch.dataset = pool.dataset;
    batch.group_size = pool.group_size;
    for (Index i = 0; i < pool.batch_size; ++i) {
      add_row(dataset, pool.order[static_cast<std::size_t>(part.batch * pool.batch_size + i)], batch);
    }
    detail::find_false_negatives(dataset, places_, batch);
    seek({epoch_, batch_ + 1});
  }

 private:
  static constexpr std::string_view kName = "data::SameTaskSampler";
  static constexpr Index kLargestBatch = Index{1} << 24;  // documents; beyond it stands a mistake
  enum class Purpose : std::uint32_t { kRows, kBatches, kDocuments };

  /// Rows of one dataset that share a group size.
  struct Pool {
    Index dataset = 0;
    Index group_size = 0;
    Index batch_size = 0;
    std::vector<std::uint32_t> rows = {};   // in the order of the dataset
    std::vector<std::uint32_t> order = {};  // of this epoch
    [[nodiscard]] Index size() const { return static_cast<Index>(rows.size()); }
    [[nodiscard]] Index batches() const { return batch_size == 0 ? 0 : size() / batch_size; }
  };
  /// One batch of an epoch.
  struct Part {
    std::size_t pool = 0;
    Index batch = 0;  // of the pool
  };

  static void require_at_least_one(std::string_view name, Index value) {
    if (value < 1) {
      throw ConfigError::invalid(kName, name, std::to_string(value), "at least 1");
    }
  }
  [[nodiscard]] const std::string& name_of(const Pool& pool) const {
    return rows_->datasets[static_cast<std::size_t>(pool.dataset)].name();
  }
  /// @return  the group size of a row, 1 for one without negatives
  [[nodiscard]] Index group_size_of(const TrainingDataset& dataset, Index row) const {
    const TrainingRowView view = dataset[row];
    const bool follow = options_.sizes == BatchSizes::kFromRows;
    const Index stated = follow ? view.train_group_size.value_or(options_.group_size) : options_.group_size;
    if (stated == 1 || !view.neg.empty()) {
      return stated;
    }
    if (options_.without_negatives == WithoutNegatives::kRefuse) {
      throw ConfigError::invalid(
          kName,
          "number of negatives of row " + std::to_string(row) + " of " + io::in_quotes(dataset.name()),
          "0",
          "at least 1 for a group of " + std::to_string(stated));
    }
    return 1;
  }
  void add_pools(Index number) {
    const TrainingDataset& dataset = rows_->datasets[static_cast<std::size_t>(number)];
    const bool follow = options_.sizes == BatchSizes::kFromRows;
    const Index stated = follow ? dataset.batch_size().value_or(options_.batch_size) : options_.batch_size;
    if (stated > kLargestBatch / options_.devices) {
      throw ConfigError::invalid(
          kName,
          "batch size of " + io::in_quotes(dataset.name()),
          std::to_string(stated) + " on each of " + std::to_string(options_.devices) + " devices",
          "at most " + std::to_string(kLargestBatch) + " in all");
    }
    const auto first = static_cast<std::ptrdiff_t>(pools_.size());
    for (Index row = 0; row < dataset.size(); ++row) {
      const Index group_size = group_size_of(dataset, row);
      auto pool = std::find_if(
          pools_.begin() + first, pools_.end(), [&](const Pool& known) { return known.group_size == group_size; });
      if (pool == pools_.end()) {
        pool = pools_.insert(pool, Pool{number, group_size, stated * options_.devices, {}, {}});
      }
      pool->rows.push_back(static_cast<std::uint32_t>(row));
    }
  }
  /// Finds how many batches each pool gives, and says which rows that leaves out.
  void fit_batches() {
    std::string sizes;
    for (Pool& pool : pools_) {
      sizes += (sizes.empty() ? "" : ", ") + io::in_quotes(name_of(pool)) + " has " + std::to_string(pool.size()) +
               " row(s) for batches of " + std::to_string(pool.batch_size);
      if (pool.size() < pool.batch_size && options_.small_datasets == SmallDatasets::kShrink) {
        pool.batch_size = pool.size();
      }
      if (pool.group_size > kLargestBatch / std::min(pool.size(), pool.batch_size)) {
        throw ConfigError::invalid(kName,
                                   "batch of " + io::in_quotes(name_of(pool)),
                                   std::to_string(pool.batch_size) + " groups of " + std::to_string(pool.group_size),
                                   "at most " + std::to_string(kLargestBatch) + " documents");
      }
      const Index tail = pool.size() - pool.batches() * pool.batch_size;
      visited_ += pool.size() - tail;
      add_note(pool, tail);
    }
    Index count = 0;
    for (const Pool& pool : pools_) {
      count += pool.batches();
    }
    if (count == 0) {
      throw ConfigError::invalid(
          kName,
          "number of batches",
          sizes.empty() ? "0" : "0 (" + sizes + ")",
          sizes.empty() ? "rows to train on" : "at least 1: a smaller batch_size, or SmallDatasets::kShrink");
    }
    plan_.resize(static_cast<std::size_t>(count));
  }
  void add_note(const Pool& pool, Index tail) {
    if (tail == 0) {
      return;
    }
    notes_.push_back(name_of(pool) + ": " + std::to_string(tail) + " of " + std::to_string(pool.size()) +
                     " row(s) with groups of " + std::to_string(pool.group_size) +
                     (tail == pool.size() ? " are never visited, too few for a batch of "
                                          : " are left out of each epoch, other ones each time, by batches of ") +
                     std::to_string(pool.batch_size));
  }

  /// A stream of its own for everything that is drawn.
  [[nodiscard]] RandomStream stream(Purpose purpose, std::size_t item, std::uint32_t row) const {
    const auto epoch = static_cast<std::uint64_t>(epoch_);
    // The key is moved away from the seed's, under which others draw.
    const Philox4x32::Key key = {static_cast<std::uint32_t>(options_.seed) ^ 0x53616D65U,
                                 static_cast<std::uint32_t>(options_.seed >> 32) ^ 0x5461736BU};
    const Philox4x32::Counter words =
        Philox4x32::block({static_cast<std::uint32_t>(item) * 4 + static_cast<std::uint32_t>(purpose),
                           row,
                           static_cast<std::uint32_t>(epoch),
                           static_cast<std::uint32_t>(epoch >> 32)},
                          key);
    return RandomStream(std::uint64_t{words[0]} << 32 | words[1], std::uint64_t{words[2]} << 32 | words[3]);
  }
  /// Shuffles the rows of the pools and the batches of the epoch, if that has not been done yet.
  void prepare_epoch() {
    if (prepared_ == epoch_) {
      return;
    }
    std::size_t part = 0;
    for (std::size_t number = 0; number < pools_.size(); ++number) {
      Pool& pool = pools_[number];
      pool.order = pool.rows;
      stream(Purpose::kRows, number, 0).shuffle(pool.order);
      for (Index batch = 0; batch < pool.batches(); ++batch) {
        plan_[part++] = {number, batch};
      }
    }
    stream(Purpose::kBatches, 0, 0).shuffle(plan_);
    prepared_ = epoch_;
  }
  void add_row(const TrainingDataset& dataset, std::uint32_t row, TrainingBatch& batch) {
    const TrainingRowView view = dataset[static_cast<Index>(row)];
    batch.rows.push_back(static_cast<Index>(row));
    batch.queries.push_back(options_.prompts ? view.instructed_query : view.query);
    batch.reasoning.push_back(options_.prompts ? view.instructed_reasoning : view.reasoning_query);
    batch.reasoning_count += batch.reasoning.back().empty() ? 0 : 1;
    const auto add = [&](TextTable::Number number) {
      batch.numbers.push_back(number);
      batch.documents.push_back(dataset.documents()[number]);
    };
    RandomStream random = stream(Purpose::kDocuments, static_cast<std::size_t>(batch.dataset), row);
    add(view.pos[random.below(view.pos.size())]);
    const auto wanted = static_cast<std::size_t>(batch.group_size - 1);
    if (wanted == 0) {
      return;
    }
    // The first steps of a Fisher-Yates shuffle of the list, repeated if it is short.
    const std::size_t copies = std::max<std::size_t>(1, (wanted + view.neg.size() - 1) / view.neg.size());
    negatives_.resize(copies * view.neg.size());
    std::iota(negatives_.begin(), negatives_.end(), std::size_t{0});
    for (std::size_t i = 0; i < wanted; ++i) {
      std::swap(negatives_[i], negatives_[i + random.below(negatives_.size() - i)]);
      add(view.neg[negatives_[i] % view.neg.size()]);
    }
  }
  /// FNV-1a over what batches depend on; texts by their number and bytes alone, which are cheap to know.
  [[nodiscard]] std::int64_t compute_fingerprint() const {
    std::uint64_t hash = 0xCBF29CE484222325ULL;
    const auto mix = [&](std::uint64_t value) {
      for (int byte = 0; byte < 8; ++byte) {
        hash = (hash ^ (value >> (8 * byte) & 0xFF)) * 0x100000001B3ULL;
      }
    };
    mix(options_.seed);
    mix(options_.prompts ? 1 : 0);
    for (const TrainingDataset& dataset : rows_->datasets) {
      mix(static_cast<std::uint64_t>(dataset.size()));
      mix(static_cast<std::uint64_t>(dataset.documents().size()));
      mix(dataset.bytes());
    }
    for (const Pool& pool : pools_) {
      mix(static_cast<std::uint64_t>(pool.group_size));
      mix(static_cast<std::uint64_t>(pool.batch_size));
      mix(static_cast<std::uint64_t>(pool.size()));
    }
    return static_cast<std::int64_t>(std::max<std::uint64_t>(1, hash >> 1));  // positive, so that JSON can hold it
  }

  const TrainingRows* rows_;
  Options options_;
  std::vector<Pool> pools_;  // by dataset, then by the first row
  std::vector<Part> plan_;   // the batches of the epoch in their order
  std::vector<std::string> notes_;
  Index visited_ = 0;
  std::int64_t fingerprint_ = 0;
  Index epoch_ = 0;
  Index batch_ = 0;
  Index prepared_ = -1;                 // epoch that plan_ and the orders belong to
  std::vector<std::size_t> negatives_;  // scratch
  detail::DocumentPlaces places_;       // scratch
};

static_assert(Sampler<SameTaskSampler>);

}  // namespace reasonembed::data
