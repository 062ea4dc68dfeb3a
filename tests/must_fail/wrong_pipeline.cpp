// expected-error: Generate, .*Assemble>[\s\S]*stage .First. gives|stage .First. gives[\s\S]*Generate, .*Assemble>
#include <reasonembed/remixer/assemble.hpp>
#include <reasonembed/remixer/pipeline.hpp>

namespace re = reasonembed;

/// Gives queries without candidates and labels.
struct Generate {
  using Input = re::remixer::SourceDocument;
  using Output = re::remixer::GeneratedQuery;
  static constexpr const char* name = "generate";
  static std::vector<Output> run(const std::vector<Input>& documents, re::remixer::StageMonitor& /*monitor*/) {
    return std::vector<Output>(documents.size());
  }
};
/// What has to stand between the two.
struct Annotate {
  using Input = re::remixer::GeneratedQuery;
  using Output = re::remixer::AnnotatedQuery;
  static constexpr const char* name = "annotate";
  static std::vector<Output> run(const std::vector<Input>& queries, re::remixer::StageMonitor& /*monitor*/) {
    return std::vector<Output>(queries.size());
  }
};

#if MUST_FAIL
using Chosen = re::remixer::Pipeline<Generate, re::remixer::Assemble>;
Chosen pipeline() {
  return Chosen(Generate(), re::remixer::Assemble(re::remixer::bright_task("pony")));
}
#else
using Chosen = re::remixer::Pipeline<Generate, Annotate, re::remixer::Assemble>;
Chosen pipeline() {
  return Chosen(Generate(), Annotate(), re::remixer::Assemble(re::remixer::bright_task("pony")));
}
#endif

int main() {
  return static_cast<int>(pipeline().run({}).items.size());
}
