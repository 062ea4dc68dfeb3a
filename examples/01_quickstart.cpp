// Scores BM25 (prints nDCG@10 0.18), a pretrained encoder (0.57) and what training makes of it with InfoNCE (0.69) and
// Redapter (0.68), and with ReMixer's rows, each over three seeds; saves runs, a report and the last model.
#include <reasonembed/reasonembed.hpp>

#include "arguments.hpp"
#include "remix.hpp"

namespace re = reasonembed;

/// @param start  makes the model that every run begins with
template <class Start>
void compare(const examples::Arguments& arguments, const Start& start, double lr) {
  const re::data::RetrievalDataset dataset = arguments.read(arguments.eval_split);
  re::train::Comparison comparison(arguments.report, "Retrieval before and after training");
  const re::retrieval::Bm25 bm25(dataset.corpus.texts());
  comparison.add(re::eval::score("bm25", dataset, [&](const re::retrieval::SearchOptions& options) {
    return bm25.search(dataset.queries.texts(), options);
  }));
  const auto encoder = start();
  comparison.add(re::eval::score_encoder("zero-shot", dataset, encoder));

  // A row: a query, what is relevant for it, and what the encoder ranks next - past the first ten, often unjudged.
  const re::data::RetrievalDataset train = arguments.read(arguments.train_split);
  const re::data::TrainingRows rows = re::train::mine_hard_negatives(
      encoder, re::data::rows_from_retrieval(train).rows, train.corpus.texts(), {.count = 30, .skip = 10});
  const auto study = [&]<class Loss>(const char* name, const re::data::TrainingRows& learnt, const Loss& loss) {
    re::train::TrainerOptions<Loss, re::train::Recipe<>> options{.loss = loss.options()};
    options.optimizer.lr = lr;
    options.sampler = {.group_size = 2, .batch_size = 32};
    options.epochs = arguments.epochs;
    auto trained = re::train::study_seeds(name, start, learnt, dataset, options, arguments.seeds);
    comparison.add(trained);
    trained.card.scores = {re::train::card_score(arguments.eval_split, trained.row, arguments.command)};
    trained.last_model.save(arguments.save, {.card = trained.card});
  };
  const re::loss::Contrastive<re::loss::Uniform> infonce({.temperature = 0.05});
  if (arguments.data == REASONEMBED_EXAMPLE_DATA && !arguments.from_scratch) {  // whose answers are recorded
    const examples::Remix remix = examples::remix(arguments.data + "/remix", dataset, encoder);
    study("source-as-positive", remix.source_as_positive, infonce);
    study("mined-positives", remix.mined, infonce);
  }
  study("infonce", rows, infonce);
  study("redapter",
        rows,
        re::loss::Contrastive<re::loss::ReasoningIntensity>({.temperature = 0.05, .weighting = {.warmup_steps = 4}}));
  comparison.report().print(stdout);
}

int main(int argc, char** argv) {
  const char* what = "Scores BM25 and an encoder on a retrieval task, before and after training.";
  return examples::run(argc, argv, what, [](const examples::Arguments& arguments) {
    const re::model::TextEncoderOptions options = arguments.encoder_options();
    if (arguments.from_scratch) {
      compare(arguments, [&] { return re::model::random_byte_decoder(1, options); }, 1e-3);
    } else {
      compare(arguments, [&] { return re::model::load_or_random_minilm(arguments.model, options); }, 1e-4);
    }
  });
}
