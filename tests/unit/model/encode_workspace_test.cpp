#include <reasonembed/model/encode_workspace.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <vector>

namespace re = reasonembed;
using re::Index;
using re::model::EncodeChunk;
using re::model::EncodeWorkspace;
using re::model::EncodeWorkspaces;

namespace {

/// A workspace whose text i has lengths[i] tokens 100 i, 100 i + 1, ..., each text in the block after its neighbour's.
void fill(EncodeWorkspace& workspace, const std::vector<Index>& lengths) {
  workspace.begin_window(static_cast<Index>(lengths.size()));
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    const Index number = static_cast<Index>(i) % EncodeWorkspace::kTokenBlocks;
    auto& ids = workspace.block(number).ids;
    const auto begin = static_cast<Index>(ids.size());
    for (Index token = 0; token < lengths[i]; ++token) {
      ids.push_back(static_cast<std::int32_t>(100 * static_cast<Index>(i) + token));
    }
    workspace.place(static_cast<Index>(i), number, begin, lengths[i]);
  }
}

/// "first+count" of every chunk.
std::string chunks(const std::vector<Index>& lengths, Index budget, int workers = 1) {
  EncodeWorkspace workspace(1);
  fill(workspace, lengths);
  workspace.cut_chunks(static_cast<Index>(lengths.size()), budget, workers);
  std::string text;
  for (Index i = 0; i < workspace.chunk_count(); ++i) {
    const EncodeChunk chunk = workspace.chunk(i);
    text += (text.empty() ? "" : " ") + std::to_string(chunk.first) + "+" + std::to_string(chunk.count);
  }
  return text;
}

}  // namespace

TEST_SUITE("model/encode_workspace") {
  TEST_CASE("cut_chunks: fills a chunk to the budget and not beyond") {
    CHECK(chunks({3, 4, 5, 6}, 7) == "0+2 2+1 3+1");
    CHECK(chunks({3, 4, 5, 6}, 12) == "0+3 3+1");
    CHECK(chunks({3, 4, 5, 6}, 18) == "0+4");
    CHECK(chunks({1, 1, 1}, 1) == "0+1 1+1 2+1");
  }
  TEST_CASE("cut_chunks: a text longer than the budget is a chunk of its own") {
    CHECK(chunks({2, 9, 2, 1}, 4) == "0+1 1+1 2+2");
    CHECK(chunks({9}, 4) == "0+1");
    CHECK(chunks({9, 9}, 1) == "0+1 1+1");
  }
  TEST_CASE("cut_chunks: few texts are shared by all workers, many are cut to the budget") {
    CHECK(chunks({128, 128, 128, 128}, 512) == "0+4");
    CHECK(chunks({128, 128, 128, 128}, 512, 2) == "0+2 2+2");
    CHECK(chunks({128, 128, 128, 128}, 512, 64) == "0+1 1+1 2+1 3+1");
    CHECK(chunks({5}, 512, 8) == "0+1");
    CHECK(chunks({20, 20, 20, 20, 20}, 40, 2) == "0+2 2+2 4+1");
  }
  TEST_CASE("cut_chunks: no text makes no chunk, and old chunks are forgotten") {
    CHECK(chunks({}, 4).empty());
    EncodeWorkspace workspace(1);
    fill(workspace, {3, 3, 3});
    workspace.cut_chunks(3, 3);
    CHECK(workspace.chunk_count() == 3);
    fill(workspace, {3});
    workspace.cut_chunks(1, 3);
    CHECK(workspace.chunk_count() == 1);
  }
  TEST_CASE("pack: lays the texts of a chunk end to end, whatever block they lie in") {
    EncodeWorkspace workspace(1);
    std::vector<Index> lengths(20, 2);
    lengths[17] = 3;
    fill(workspace, lengths);
    re::Arena& arena = workspace.arena(0);
    const re::nn::PackedBatch batch = workspace.pack({15, 4}, arena);  // text 16 shares the first block
    CHECK(std::vector<std::int32_t>(batch.tokens.begin(), batch.tokens.end()) ==
          std::vector<std::int32_t>{1500, 1501, 1600, 1601, 1700, 1701, 1702, 1800, 1801});
    CHECK(std::vector<std::int32_t>(batch.offsets.begin(), batch.offsets.end()) ==
          std::vector<std::int32_t>{0, 2, 4, 7, 9});
    CHECK_NOTHROW(batch.validate(3));
    CHECK(arena.used() > 0);
  }
  TEST_CASE("pack: an empty chunk is a batch without sequences") {
    EncodeWorkspace workspace(1);
    fill(workspace, {2});
    const re::nn::PackedBatch batch = workspace.pack({0, 0}, workspace.arena(0));
    CHECK(batch.sequence_count() == 0);
    CHECK(batch.token_count() == 0);
  }
  TEST_CASE("begin_window: forgets tokens and keeps their memory") {
    EncodeWorkspace workspace(1);
    fill(workspace, std::vector<Index>(40, 50));
    const std::size_t capacity = workspace.block(3).ids.capacity();
    workspace.begin_window(2);
    CHECK(workspace.block(3).ids.empty());
    CHECK(workspace.block(3).ids.capacity() == capacity);
  }
  TEST_CASE("level_arenas: gives every thread the memory of the largest") {
    EncodeWorkspace workspace(3);
    {
      const re::ArenaScope scope(workspace.arena(1));
      (void)workspace.arena(1).allocate<float>(3 << 20);
    }
    const std::size_t peak = workspace.arena(1).capacity();
    CHECK(workspace.arena(0).capacity() < peak);
    workspace.level_arenas();
    for (int worker = 0; worker < 3; ++worker) {
      CHECK(workspace.arena(worker).capacity() == peak);
    }
  }
  TEST_CASE("EncodeWorkspaces: a workspace given back is taken again") {
    EncodeWorkspaces workspaces(1);
    const EncodeWorkspace* first = nullptr;
    {
      const EncodeWorkspaces::Lease lease = workspaces.lease();
      first = &*lease;
      lease->begin_window(5);
    }
    const EncodeWorkspaces::Lease again = workspaces.lease();
    CHECK(&*again == first);
    const EncodeWorkspaces::Lease second = workspaces.lease();
    CHECK(&*second != first);
  }
  TEST_CASE("EncodeWorkspaces: callers at the same time never share one") {
    EncodeWorkspaces workspaces(1);
    std::vector<int> spoilt(4, 0);
    {
      std::vector<std::jthread> callers;
      for (std::size_t caller = 0; caller < spoilt.size(); ++caller) {
        callers.emplace_back([&, caller] {
          for (int repeat = 0; repeat < 200; ++repeat) {
            const EncodeWorkspaces::Lease lease = workspaces.lease();
            auto& ids = lease->block(0).ids;
            ids.assign(3, static_cast<std::int32_t>(caller));
            std::this_thread::yield();
            spoilt[caller] += ids != std::vector<std::int32_t>(3, static_cast<std::int32_t>(caller)) ? 1 : 0;
          }
        });
      }
    }
    CHECK(spoilt == std::vector<int>(4, 0));
  }
}
