// A stage of one's own between two of the library's: queries that copy their source are dropped before anybody pays for
// their annotation. Prints what each stage did, among it "drop_copied: 40 in, 26 out".
#include <reasonembed/reasonembed.hpp>
#include <reasonembed/remixer/bm25_retriever.hpp>
#include <reasonembed/remixer/generate_queries.hpp>
#include <reasonembed/remixer/mine_candidates.hpp>
#include <reasonembed/remixer/pipeline.hpp>
#include <reasonembed/remixer/sample_sources.hpp>

#include <cstdio>
namespace re = reasonembed;
namespace rx = reasonembed::remixer;

// example-begin stage
/// Drops queries more than three quarters of whose words stand in their source.
struct DropCopied {
  using Input = rx::GeneratedQuery;
  using Output = rx::GeneratedQuery;
  static constexpr const char* name = "drop_copied";

  static std::vector<Output> run(std::vector<Input> queries, rx::StageMonitor& monitor) {
    std::erase_if(queries, [&](const rx::GeneratedQuery& query) {
      const re::retrieval::UnicodeWords analyzer;
      re::StringIndex source;
      analyzer.for_each_word(query.source.text, [&](std::string_view word) { source.add(word); });
      int balance = 0;  // three for each word that is new, minus one for each that is not
      analyzer.for_each_word(query.query, [&](std::string_view word) { balance += source.contains(word) ? -1 : 3; });
      monitor.report().drop("copied from the source", balance < 0 ? 1 : 0);
      return balance < 0;
    });
    return queries;
  }
};
// example-end stage

/// Stands for a model behind an endpoint: asks why the last sentence of the document should be so.
struct Parrot {
  static std::string identity() { return "parrot"; }
  static void run(rx::NextCall next, rx::CallDone done) {
    while (const auto call = next()) {
      const std::string& prompt = call->messages.back().content;
      const std::string text = prompt.substr(0, prompt.find("\n</document>"));
      done(*call, rx::ChatAnswer{.text = "Can anyone tell me why" + text.substr(text.rfind(". ") + 1)});
    }
  }
};

int main() {  // NOLINT(bugprone-exception-escape): an error ends it
  std::vector<std::string> notes;
  const auto corpus = re::data::read_corpus(REASONEMBED_EXAMPLE_DATA "/corpus.jsonl", notes);
  Parrot model;
  rx::Pipeline pipeline(rx::SampleSources({.most_documents = 40}),
                        rx::GenerateQueries(model, rx::bright_task("biology")),
                        DropCopied(),
                        rx::MineCandidates(rx::Bm25Retriever<>(), corpus.texts()));
  const auto result = pipeline.run(rx::source_documents(corpus));
  for (const rx::StageReport& report : result.reports) {
    std::fputs(describe(report).c_str(), stdout);
  }
}
