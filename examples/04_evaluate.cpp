// Evaluates a run file with the measures of trec_eval, and compares two systems query by query. Prints
//   bm25       ndcg_cut_10 0.1784  recall_100 0.5723  recip_rank 0.2473
//   zero-shot  ndcg_cut_10 0.5730  recall_100 0.9461  recip_rank 0.6892
#include <reasonembed/reasonembed.hpp>

#include "arguments.hpp"

namespace re = reasonembed;

int main(int argc, char** argv) {
  return examples::run(argc, argv, "Evaluates two systems.", [](const examples::Arguments& arguments) {
    const re::data::RetrievalDataset dataset = arguments.read(arguments.eval_split);
    const re::model::MiniLm encoder = re::model::load_or_random_minilm(arguments.model, arguments.encoder_options());
    // example-begin evaluate
    const re::retrieval::Bm25 index(dataset.corpus.texts());
    const re::eval::ScoredRun words = re::eval::score(
        "bm25", dataset, [&](const auto& options) { return index.search(dataset.queries.texts(), options); });
    const re::eval::ScoredRun vectors = re::eval::score_encoder("zero-shot", dataset, encoder);

    const re::eval::EvaluationOptions options{.measures = {"ndcg_cut_10", "recall_100", "recip_rank"}};
    for (const re::eval::ScoredRun* scored : {&words, &vectors}) {
      re::retrieval::write_trec_run(scored->row.name + ".trec", scored->run);  // trec_eval and others read it
      const re::retrieval::Run run = re::retrieval::read_trec_run(scored->row.name + ".trec");
      const re::eval::Evaluation evaluation = re::eval::evaluate(run, dataset.qrels, options);
      std::printf("%-10s", scored->row.name.c_str());
      for (const re::eval::Measure& measure : options.measures) {
        std::printf(" %s %.4f ", measure.name().c_str(), evaluation.mean(measure.name()));
      }
      std::printf("\n");
    }
    // example-end evaluate
  });
}
