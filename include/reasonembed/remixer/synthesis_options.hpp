#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/remixer/annotate_relevance.hpp>
#include <reasonembed/remixer/assemble.hpp>
#include <reasonembed/remixer/filter_domain.hpp>
#include <reasonembed/remixer/generate_queries.hpp>
#include <reasonembed/remixer/mine_candidates.hpp>
#include <reasonembed/remixer/sample_sources.hpp>
#include <reasonembed/remixer/write_reasoning_queries.hpp>

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// The options of all stages of the paper's pipeline; the defaults are the paper's.
struct SynthesisOptions {
  bool filter_domain = false;   ///< whether documents are filtered by domain before they are sampled
  bool write_reasoning = true;  ///< whether rows get reasoning queries
  FilterDomainOptions filter = {};
  SampleSourcesOptions sample = {};
  GenerateQueriesOptions generate = {};
  MineCandidatesOptions mine = {};
  AnnotateRelevanceOptions annotate = {};
  AssembleOptions assemble = {};
  WriteReasoningQueriesOptions reasoning = {};

  friend bool operator==(const SynthesisOptions&, const SynthesisOptions&) = default;

  template <class F>
  void visit(F&& f) const {
    f("filter_domain", filter_domain);
    f("write_reasoning", write_reasoning);
    f("filter", filter);
    f("sample", sample);
    f("generate", generate);
    f("mine", mine);
    f("annotate", annotate);
    f("assemble", assemble);
    f("reasoning", reasoning);
  }
};

}  // namespace reasonembed::remixer
