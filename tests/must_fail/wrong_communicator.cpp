// expected-error: does not satisfy 'Communicator'|required for the satisfaction of [^ ]*Communicator<
#include <reasonembed/distributed/communicator.hpp>
#include <reasonembed/distributed/single_process.hpp>

#include <cstdint>
#include <span>
namespace re = reasonembed;
struct Cluster {  // all_gather is missing for everything but float
  [[nodiscard]] int rank() const { return 0; }
  [[nodiscard]] int size() const { return 2; }
  void barrier() {}
  void all_gather(std::span<const float>, std::span<float>) {}
  template <class T>
  void all_reduce_sum(std::span<T>) {}
  template <class T>
  void broadcast(std::span<T>, int) {}
};
#if MUST_FAIL
using Group = Cluster;
#else
using Group = re::distributed::SingleProcess;
#endif
int main() {
  return static_cast<int>(re::distributed::shard(Group{}, 1).size()) - 1;
}
