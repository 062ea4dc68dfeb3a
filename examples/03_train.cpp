// Trains an encoder with Redapter on rows of JSON Lines, with a progress bar, a log and checkpoints, and saves it.
// Killed and started again, it goes on. Prints (MiniLM):
//   131 rows in 1 dataset(s)
//   12 of 12 steps, saved to trained-model
#include <reasonembed/reasonembed.hpp>

#include "arguments.hpp"

namespace re = reasonembed;

int main(int argc, char** argv) {
  return examples::run(argc, argv, "Trains an encoder with Redapter.", [](const examples::Arguments& arguments) {
    // Rows usually come from re::data::read_rows("train/"); these are made of a retrieval dataset.
    const re::data::RetrievalDataset dataset = arguments.read(arguments.train_split);
    re::model::MiniLm encoder = re::model::load_or_random_minilm(arguments.model, arguments.encoder_options());
    const re::data::TrainingRows rows = re::train::mine_hard_negatives(
        encoder, re::data::rows_from_retrieval(dataset).rows, dataset.corpus.texts(), {.count = 30, .skip = 10});
    re::data::write_rows("rows.jsonl", rows.datasets.front());
    std::printf("%td rows in %zu dataset(s)\n", rows.size(), rows.datasets.size());

    // example-begin train
    using Loss = re::loss::Contrastive<re::loss::ReasoningIntensity>;  // Redapter; Uniform gives InfoNCE
    using Recipe = re::train::Recipe<re::optim::AdamW, re::optim::WarmupLinear, re::data::SameTaskSampler>;
    using Trainer = re::train::Trainer<re::model::MiniLm, Loss, Recipe>;

    Trainer trainer(std::move(encoder),
                    {.loss = {.temperature = 0.05, .weighting = {.warmup_steps = 4}},
                     .optimizer = {.lr = 1e-4},
                     .sampler = {.group_size = 2, .batch_size = 32},
                     .epochs = arguments.epochs,
                     .checkpoint = {.directory = "checkpoint", .every = 10}});
    const re::data::TrainingRows read = re::data::read_rows("rows.jsonl");
    const re::train::RunEnd end = trainer.fit(read, re::train::ProgressBar{}, re::train::JsonlLog{"run.jsonl"});
    trainer.model().save("trained-model", {.card = re::train::training_card(trainer, read)});
    // example-end train
    std::printf("%td of %td steps, saved to trained-model\n", re::Index{end.steps}, re::Index{end.total_steps});
  });
}
